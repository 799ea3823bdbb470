"""The torchao quantizer: one solve instead of annotate-then-validate.

:class:`SolveQuantizer` stands wherever ExecuTorch's ``QnnQuantizer`` does, and is one: code that asks
``isinstance`` keeps working, and the graph passes before annotation are upstream's own.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import attrs

# Set before ExecuTorch looks: where the variable is missing, building a QnnQuantizer downloads an SDK.
os.environ.setdefault("QNN_SDK_ROOT", "")

import torch
from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType
from torch.fx import GraphModule

from qnnsolve.annotating.accumulators import bind_accumulators
from qnnsolve.annotating.annotations import mark_cpu_nodes, write_annotations
from qnnsolve.annotating.calibrated import Watch, watch
from qnnsolve.annotating.masks import bind_masks
from qnnsolve.annotating.maxima import observe_behind_maxima
from qnnsolve.errors import BudgetExceededError, UnsatisfiableError, UnverifiedError, UsageError
from qnnsolve.explain import conflict_in_words, describe, placements
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.fx import read_graph
from qnnsolve.facts.socs import Soc, chipset, soc
from qnnsolve.facts.user import UserFacts
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.opinfo_facts import FactsSource, facts_source, operator_facts
from qnnsolve.results import Placement, SolveResult
from qnnsolve.rewriting import UNROLL_LIMIT, completed, prepared
from qnnsolve.rewriting.bn_folding import fold_batch_norms, fold_only_where_alone
from qnnsolve.rewriting.fixing import fix
from qnnsolve.rewriting.floats import input_casts
from qnnsolve.rewriting.given import without_given
from qnnsolve.rewriting.notes import notes_of
from qnnsolve.rewriting.opening import complete_values, opened, put_guards, take_guards
from qnnsolve.rewriting.sizes import FixedSizes, sizes_vary
from qnnsolve.rules import Facts, backend_rules, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.runs import Solved
from qnnsolve.solver import Limits, Solution, Unknown, Unsatisfiable, limits_of, solve

__all__ = ["SolveQuantizer"]

fold_only_where_alone()


class SolveQuantizer(QnnQuantizer):  # type: ignore[misc]  # upstream ships no types
    """A torchao ``Quantizer`` that solves for one consistent, legal, nearest config of the whole graph.

    Args:
        backend: the name of a backend (``"htp"``, ``"lpai"``), or ExecuTorch's ``QnnExecuTorchBackendType``.
        soc_model: a chipset's name (``"SM8750"``), or ExecuTorch's ``QcomChipset``.
        strict: raise where an op has no facts; otherwise leave such ops float and say so in :attr:`result`.
        precision: a preset's name (``"16a8w"``); :meth:`set_default_quant_config` takes ExecuTorch's enum.
        block_size: elements per block along input channels, for ``16a4w_block``.
        unroll_limit: steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most; one of more is refused.
            None means 128: such a graph takes minutes to compile.
        time_limit: seconds that the solve may take, 0 or more; None means 120, infinity no limit. Where it is hit,
            the best config found is taken, and :attr:`result` has its gap.
        limits: what the solve may spend, in full; then there is no ``time_limit``.
        user_facts: files of the user's own facts (``docs/facts.md``), or facts that were read from such files.
        facts_source: whose operator tables count: ``"both"`` (only what the measured ones and the SDK's both accept),
            ``"measured"`` or ``"sdk"``.

    After ``prepare_pt2e``: :attr:`solution` (the last solve), :attr:`result` (the same as plain records; once samples
    were seen, also what they showed) and :attr:`cpu_nodes` (names of the nodes that stay on the CPU).

    Raises:
        UnknownNameError: an unknown backend, chipset or precision; names the nearest.
        UsageError: the chipset has no such accelerator, or ExecuTorch has no such backend.
        FactsError: a file of the user's facts says what cannot be.
        HostBackendError: the facts of the SDK alone were asked for, and it does not answer.
        UnsupportedGraphError: (from ``prepare_pt2e``) a write in place or a recurrent layer that cannot be spelled out.
        UnsatisfiableError: (from ``prepare_pt2e``) no legal config exists; carries every conflict.
        UnverifiedError: (from ``prepare_pt2e``, strict) ops without facts; carries all of them.
        BudgetExceededError: (from ``prepare_pt2e``) a limit was hit before any config was found.
    """

    def __init__(
        self,
        backend: str | QnnExecuTorchBackendType = "htp",
        soc_model: str | QcomChipset = "SM8750",
        strict: bool = True,
        *,
        precision: str = "8a8w",
        block_size: int = 32,
        unroll_limit: int | None = None,
        time_limit: float | None = None,
        limits: Limits | None = None,
        user_facts: UserFacts | Sequence[str | os.PathLike[str]] = (),
        facts_source: str | FactsSource = FactsSource.BOTH,
    ) -> None:
        name = backend if isinstance(backend, str) else backend.name.removeprefix("k").removesuffix("Backend").lower()
        backend_rules(name)
        user = user_facts if isinstance(user_facts, UserFacts) else read_user_facts(user_facts, name)
        self._soc = soc(soc_model if isinstance(soc_model, str) else soc_model.name, user.socs)
        self._backend_name, self._arch = name, backend_of(name).arch(self._soc)
        self._operators = operator_facts(name, self._arch, self._soc, _facts_source(facts_source), user)
        self._limits = limits_of(time_limit, limits)
        self._unroll_limit = UNROLL_LIMIT if unroll_limit is None else unroll_limit
        self._request = Request(_precision(precision), block_size)
        with quiet():  # it warns that BackendOpInfo is missing, but there are facts of our own
            super().__init__(_upstream_type(name), chipset(self._soc), strict)
        self._solved_for: Facts | None = None
        self._notes: tuple[str, ...] = ()
        self._guards: torch.nn.Module | None = None
        self.solution: Solution | None = None
        self._result: SolveResult | None = None
        self._solved: Solved | None = None
        self._watch: Watch | None = None
        self.cpu_nodes: frozenset[str] = frozenset()

    @property
    def soc(self) -> Soc:
        """The chipset that is solved for."""
        return self._soc

    @property
    def result(self) -> SolveResult | None:
        """The last solve as plain records, with what the calibration samples so far have shown."""
        if self._result is None or self._watch is None:
            return self._result
        return attrs.evolve(self._result, calibration=self._watch.record())

    @property
    def solved(self) -> Solved | None:
        """The last solve with all that it was made from: what :func:`qnnsolve.runs.save_run` keeps."""
        if self._solved is None or self.result is None:
            return None
        return attrs.evolve(self._solved, result=self.result)

    def set_default_quant_config(self, quant_dtype: QuantDtype, is_qat: bool = False, **settings: Any) -> None:
        """Ask for one of ExecuTorch's presets. Weights are quantized per channel wherever the backend takes it.

        Raises:
            UsageError: a setting that is not solved for yet (QAT, an observer, symmetric activations ...).
        """
        wanted = sorted(key for key, value in settings.items() if value and not key.endswith("_per_channel"))
        if is_qat or wanted:
            raise UsageError(f"SolveQuantizer does not take {', '.join((['is_qat'] if is_qat else []) + wanted)} yet")
        self._request = attrs.evolve(self._request, precision=_precision(quant_dtype.name.removeprefix("use_")))

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """:mod:`qnnsolve.rewriting`, with ExecuTorch's own passes between its two halves.

        Sizes that may vary are fixed at those that the model was exported with, every float becomes float32, and
        what comes quantized is quantized anew; a warning says so, and :attr:`result`. The check of the inputs that
        ``torch.export`` puts into a graph is taken out, and is back in what ``prepare_pt2e`` returns.
        """
        self._guards = take_guards(model)
        varied, told = sizes_vary(model), len(notes_of(opened(model)))
        self._notes = notes_of(fix(without_given(model)))
        if varied:
            self._guards = FixedSizes.of(model)
        for note in self._notes[told:]:
            warnings.warn(note, stacklevel=3)
        # torchao has done so before, but has not seen what stood in a region of its own.
        fold_batch_norms(model)
        complete_values(model)
        with contextlib.redirect_stdout(io.StringIO()):  # ``[WARNING] the 0 th arg of node ...`` (1.5.1)
            transformed: GraphModule = super().transform_for_annotation(prepared(model, self._unroll_limit))
        return completed(transformed, half=self._request.precision.fp16)

    def annotate(self, model: GraphModule) -> GraphModule:
        """Solve for ``model`` and write the annotations; see the class for what is raised."""
        clock = Stages()
        facts = Facts.of(read_graph(model), self._operators, self._request)
        clock.lap("facts")
        unverified = facts.unverified()
        if self.strict and unverified:
            where = f"{self._backend_name.upper()} {self._arch} ({self._soc.name})"
            raise UnverifiedError(tuple((node.name, node.target) for node in unverified), where)
        problem = problem_of(facts)
        clock.lap("rules")
        outcome = solve(problem, self._limits)
        clock.lap("solve")
        self.solution = outcome if isinstance(outcome, Solution) else None
        self._watch = None
        self._result = describe(facts, problem, outcome, soc=self._soc.name, timings=clock.laps)
        self._solved = Solved(facts, problem, outcome, self._result, self._limits)
        clock.lap("explain")
        if isinstance(outcome, Unsatisfiable):
            raise UnsatisfiableError(outcome.conflicts, tuple(map(conflict_in_words, outcome.conflicts)))
        if isinstance(outcome, Unknown):
            raise BudgetExceededError(outcome.limit)
        write_annotations(model, facts, problem, outcome)
        self._solved_for = facts
        placed = placements(facts, outcome.encodings)
        self.cpu_nodes = frozenset(name for name, place in placed.items() if place is Placement.CPU)
        mark_cpu_nodes(model, self.cpu_nodes)
        clock.lap("annotate")
        self._result = attrs.evolve(self._result, timings=clock.laps, notes=self._notes)
        return model

    def prepare_obs_or_fq_callback(self, model: GraphModule, edge_or_node_to_obs_or_fq: dict[Any, Any]) -> None:
        """Called by ``prepare_pt2e`` with the observers of :meth:`annotate`'s annotations, before they are inserted."""
        if self._solved_for is not None:
            bind_masks(model, edge_or_node_to_obs_or_fq)
            bind_accumulators(model, self._solved_for, edge_or_node_to_obs_or_fq)
            observe_behind_maxima(model, self._solved_for, edge_or_node_to_obs_or_fq)
        for place in input_casts(model):
            edge_or_node_to_obs_or_fq.pop(place, None)
        if self._solved_for is not None:
            self._watch = watch(model, edge_or_node_to_obs_or_fq)
        if self._guards is not None:
            put_guards(model, self._guards)

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to validate: what was annotated was solved for."""

    def _not_yet(self, setting: str) -> NoReturn:
        raise UsageError(f"SolveQuantizer does not take {setting} yet")

    def add_custom_quant_annotations(self, custom_quant_annotations: Sequence[Callable[..., None]]) -> None:
        """Not solved for yet.

        Raises:
            UsageError: always, since ignoring the request would be silent.
        """
        self._not_yet("custom annotations")

    def add_discard_nodes(self, nodes: Sequence[str]) -> None:
        """Not solved for yet.

        Raises:
            UsageError: always.
        """
        self._not_yet("discarded nodes")

    def add_discard_ops(self, ops: Sequence[Any]) -> None:
        """Not solved for yet.

        Raises:
            UsageError: always.
        """
        self._not_yet("discarded ops")

    def set_block_size_map(self, block_size_map: Mapping[str, tuple[int, ...]]) -> None:
        """Not solved for yet; ``block_size`` holds for the whole graph.

        Raises:
            UsageError: always.
        """
        self._not_yet("a block-size map")

    def set_recipe(self, recipe: Any) -> None:
        """Not solved for yet.

        Raises:
            UsageError: always.
        """
        self._not_yet("recipes")

    def set_submodule_qconfig_list(self, submodule_qconfig_list: Sequence[Any]) -> None:
        """Not solved for yet.

        Raises:
            UsageError: always.
        """
        self._not_yet("submodule configs")


_precision = precision
_facts_source = facts_source


def _upstream_type(name: str) -> QnnExecuTorchBackendType:
    """ExecuTorch's name of a backend: upstream picks its passes by it."""
    upstream = backend_of(name).executorch
    if upstream is None or upstream not in QnnExecuTorchBackendType.__members__:
        raise UsageError(f"ExecuTorch knows no backend type for {name}, so its graph passes cannot be chosen")
    return QnnExecuTorchBackendType[upstream]
