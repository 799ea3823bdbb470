"""The torchao quantizer: one solve instead of annotate-then-validate.

:class:`SolveQuantizer` stands wherever ExecuTorch's ``QnnQuantizer`` does, and is one: code that asks
``isinstance`` keeps working, and the graph passes before annotation are upstream's own.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

import attrs

# Set before ExecuTorch looks: where the variable is missing, building a QnnQuantizer downloads an SDK.
os.environ.setdefault("QNN_SDK_ROOT", "")

import torch
from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType
from torch.fx import GraphModule

from qnnsolve.annotating.annotations import mark_cpu_nodes, write_annotations
from qnnsolve.annotating.calibrated import Watch, watch
from qnnsolve.annotating.composing import pass_callbacks_on
from qnnsolve.annotating.given import bind
from qnnsolve.annotating.seq_mse import take_derived_observers
from qnnsolve.annotating.training import drop_counters, folding_norms
from qnnsolve.annotating.wishing import WishingQuantizer
from qnnsolve.errors import BudgetExceededError, UnsatisfiableError, UnverifiedError
from qnnsolve.explain import conflict_in_words, placements
from qnnsolve.explain.described import Described
from qnnsolve.facts.fx import read_graph
from qnnsolve.facts.socs import Soc
from qnnsolve.host.stages import Stages
from qnnsolve.host.unasked import sdk_if_it_works
from qnnsolve.opinfo_facts import FactsSource
from qnnsolve.results import Placement, SolveResult
from qnnsolve.rewriting import UNROLL_LIMIT, completed, prepared
from qnnsolve.rewriting.bn_folding import fold_batch_norms, fold_only_where_alone, hidden
from qnnsolve.rewriting.clips import PAST_THE_END
from qnnsolve.rewriting.fixing import fix
from qnnsolve.rewriting.floats import input_casts
from qnnsolve.rewriting.given import without_given
from qnnsolve.rewriting.masking import masking
from qnnsolve.rewriting.notes import notes_of
from qnnsolve.rewriting.opening import complete_values, opened, put_guards, take_guards
from qnnsolve.rewriting.origins import Followed
from qnnsolve.rewriting.recompiling import recompiled_once
from qnnsolve.rewriting.sizes import FixedSizes, sizes_vary
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.own_files import OwnRules
from qnnsolve.rules.requested import without_pins
from qnnsolve.rules.target import PRECISION, FactFiles, Target, Wanted
from qnnsolve.rules.wishes import Wish
from qnnsolve.runs import Solved
from qnnsolve.solver import Limits, Solution, Unknown, Unsatisfiable, limits_of, solve

__all__ = ["SolveQuantizer"]

fold_only_where_alone()
pass_callbacks_on()
take_derived_observers()


class SolveQuantizer(WishingQuantizer):
    """A torchao ``Quantizer`` that solves for one consistent, legal, nearest config of the whole graph.

    Args:
        backend: the name of a backend (``"htp"``, ``"lpai"``), or ExecuTorch's ``QnnExecuTorchBackendType``.
        soc_model: a chipset's name (``"SM8750"``), or ExecuTorch's ``QcomChipset``.
        strict: raise where an op has no facts; otherwise leave such ops float and say so in :attr:`result`.
        precision: a preset's name (``"16a8w"``), which holds as long as :meth:`set_default_quant_config` sets none.
        block_size: elements per block along input channels, for ``16a4w_block``; None means 32.
        unroll_limit: steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most; one of more is refused.
            None means 128: such a graph takes minutes to compile.
        time_limit: seconds that the solve may take, 0 or more; None means 120, infinity no limit. Where it is hit,
            the best config found is taken, and :attr:`result` has its gap.
        limits: how much time and memory the solve may use, in full; then there is no ``time_limit``.
        user_facts: files of the user's own facts (``docs/facts.md``), or facts that were read from such files.
        facts_source: whose operator tables count: ``"both"`` (only what the measured ones and the SDK's both accept),
            ``"measured"`` or ``"sdk"``.
        wishes: what is asked for beside the preset; :meth:`wish` adds one.
        rules: rules of the user's own, made with :func:`qnnsolve.rules.rule`, or Python files in which they stand.

    Every setting of ``QnnQuantizer`` is a wish, too: presets with their flags, submodules, block sizes, discards,
    custom annotations and recipes. Block sizes and custom annotations are pins, the rest is preferred.

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
        precision: str = PRECISION,
        block_size: int | None = None,
        unroll_limit: int | None = None,
        time_limit: float | None = None,
        limits: Limits | None = None,
        user_facts: FactFiles = (),
        facts_source: str | FactsSource = FactsSource.BOTH,
        wishes: Sequence[Wish] = (),
        rules: OwnRules = (),
    ) -> None:
        name = backend if isinstance(backend, str) else backend.name.removeprefix("k").removesuffix("Backend").lower()
        chip = soc_model if isinstance(soc_model, str) else soc_model.name
        target = Target.of(name, chip, strict=strict, user_facts=user_facts, source=facts_source, rules=rules)
        spend = limits_of(time_limit, limits)
        self._set_up(target, Wanted.of(precision, block_size, wishes=wishes), spend, unroll_limit, tells=True)

    @classmethod
    def of(
        cls, target: Target, wanted: Wanted, limits: Limits | None = None, unroll_limit: int | None = None
    ) -> SolveQuantizer:
        """One for ``target`` that solves for ``wanted``."""
        quantizer = cls.__new__(cls)
        quantizer._set_up(target, wanted, limits_of(None, limits), unroll_limit, tells=False)
        return quantizer

    def _set_up(self, target: Target, wanted: Wanted, limits: Limits, unroll_limit: int | None, tells: bool) -> None:
        self._aim(target, wanted)
        self._limits, self._tells = limits, tells
        self._unroll_limit = UNROLL_LIMIT if unroll_limit is None else unroll_limit
        self._solved_for: Facts | None = None
        self._folding: frozenset[str] | None = None
        self._notes: tuple[str, ...] = ()
        self._guards: torch.nn.Module | None = None
        self._passes = 0.0
        self.origins: dict[str, tuple[str, ...]] = {}
        self.solution: Solution | None = None
        self._described: Described | None = None
        self._watch: Watch | None = None
        self.cpu_nodes: frozenset[str] = frozenset()

    @property
    def soc(self) -> Soc:
        """The chipset that is solved for."""
        return self._target.soc

    @property
    def result(self) -> SolveResult | None:
        """The last solve as plain records, with what the calibration samples so far have shown."""
        if self._described is None or self._watch is None:
            return None if self._described is None else self._described.result
        return attrs.evolve(self._described.result, calibration=self._watch.record())

    @property
    def solved(self) -> Solved | None:
        """The last solve with all that it was made from: what :func:`qnnsolve.runs.save_run` keeps."""
        made, result = self._described, self.result
        if made is None or result is None:
            return None
        return Solved(made.facts, made.problem, made.outcome, result, self._limits, made.origins)

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """:mod:`qnnsolve.rewriting`, with ExecuTorch's own passes between its two halves.

        Sizes that may vary are fixed at those that the model was exported with, every float becomes float32, and
        what comes quantized is quantized anew; a warning says so, and :attr:`result`. The check of the inputs that
        ``torch.export`` puts into a graph is taken out, and is back in what ``prepare_pt2e`` returns.
        """
        began = time.perf_counter()
        with recompiled_once(model), Followed(model) as followed:
            transformed = self._transformed(model)
        self.origins = followed.origins(transformed)
        self._passes = time.perf_counter() - began
        return transformed

    def _transformed(self, model: GraphModule) -> GraphModule:
        self._guards = take_guards(model)
        varied, before = sizes_vary(model), len(notes_of(opened(model)))
        self._notes = notes_of(fix(without_given(model)))
        if varied:
            self._guards = FixedSizes.of(model)
        for note in self._notes[before:]:
            warnings.warn(note, stacklevel=4)
        trained = self._is_qat
        norms = list(folding_norms(model)) if trained else []
        if trained:
            drop_counters(model)
        else:  # torchao has done so before, but has not seen what stood in a region of its own
            fold_batch_norms(model)
        complete_values(model)
        with hidden(model, norms):
            model = prepared(model, self._unroll_limit, trained, self.soc.htp_arch in PAST_THE_END)
        # Its passes print: ``[WARNING] the 0 th arg of node ...`` (1.5.1).
        with contextlib.redirect_stdout(io.StringIO()), sdk_if_it_works():
            transformed: GraphModule = super().transform_for_annotation(model)
        with hidden(transformed, norms):
            transformed = completed(transformed, self._request().fp16, trained)
        self._folding = frozenset(norm.name for norm in norms) if trained else None
        return transformed

    def annotate(self, model: GraphModule) -> GraphModule:
        """Solve for ``model`` and write the annotations; see the class for what is raised."""
        clock = Stages()
        clock.seconds.append(("passes", self._passes))
        masked = masking(model)
        wanted = self._wanted_of(model, masked.hidden)
        facts = Facts.of(read_graph(model), self._target.operators, wanted.request, wanted.wishes, self._folding or ())
        clock.lap("facts")
        unverified = facts.unverified()
        if self.strict and unverified:
            raise UnverifiedError(tuple((node.name, node.target) for node in unverified), self._target.name)
        problem = problem_of(facts, self._target.rules)
        clock.lap("rules")
        outcome = solve(problem, self._limits)
        if isinstance(outcome, Unsatisfiable) and not self.strict:
            problem = without_pins(problem)
            outcome = solve(problem, self._limits)
        clock.lap("solve")
        self.solution = outcome if isinstance(outcome, Solution) else None
        self._watch = None
        self._described = Described(facts, problem, outcome, self.soc.name, self.origins, clock.laps)
        for note in self._described.notes_of_solve:
            warnings.warn(note, stacklevel=3)
        if isinstance(outcome, Unsatisfiable):
            raise UnsatisfiableError(outcome.conflicts, tuple(map(conflict_in_words, outcome.conflicts)))
        if isinstance(outcome, Unknown):
            raise BudgetExceededError(outcome.limit)
        write_annotations(model, facts, problem, outcome, masked, self._observers, self._folding)
        self._solved_for = facts
        placed = placements(facts, outcome.encodings)
        self.cpu_nodes = frozenset(name for name, place in placed.items() if place is Placement.CPU)
        mark_cpu_nodes(model, self.cpu_nodes)
        clock.lap("annotate")
        self._described = attrs.evolve(self._described, timings=clock.laps, notes=self._notes)
        return model

    def prepare_obs_or_fq_callback(self, model: GraphModule, edge_or_node_to_obs_or_fq: dict[Any, Any]) -> None:
        """Called by ``prepare_pt2e`` with the observers of :meth:`annotate`'s annotations, before they are inserted."""
        if self._solved_for is not None:
            bind(model, self._solved_for, edge_or_node_to_obs_or_fq, training=self._folding is not None)
        for place in input_casts(model):
            edge_or_node_to_obs_or_fq.pop(place, None)
        if self._solved_for is not None and self._folding is None:
            told = self._solved_for.request.name if self._tells else None
            self._watch = watch(model, edge_or_node_to_obs_or_fq, told)
        if self._guards is not None:
            put_guards(model, self._guards)

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to validate: what was annotated was solved for."""
