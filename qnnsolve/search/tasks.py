"""What a search has done for one config, apart from all others: measure it, or compile it and run it on the emulator.

A task takes a :class:`Setup`, which is the same for all, and a recipe. It goes through the doors that users have, so
what it measures is what ``export --recipe`` makes. Where it runs elsewhere, it takes a :class:`Portable`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import QnnSolveError
from qnnsolve.host.leftovers import scratch_folder
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.marks import LEFT_BY_SOLVER
from qnnsolve.models.tracing import exported
from qnnsolve.pipeline import export
from qnnsolve.pipeline.arguments import SearchArguments, SolveArguments
from qnnsolve.pipeline.steps import converted_model, quantizer_for
from qnnsolve.recipes import Recipe
from qnnsolve.results import AT_BORDER, ExportResult, SearchProgram, decibels
from qnnsolve.solver import limits_of

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from qnnsolve.search.measuring import Measured
    from qnnsolve.search.sensitivity import FloatOutputs

__all__ = ["Portable", "Setup", "Wanting", "compiled", "compiled_elsewhere", "measured_config"]

_SHARED = ("soc", "backend", "strict", "block_size", "unroll_limit", "time_limit", "user_facts", "facts_source")
"""The arguments of a search that an export takes, too. What is wished stands in a recipe."""


@attrs.frozen(eq=False)
class Setup:
    """A model, its samples, and the arguments of the search."""

    model: torch.nn.Module | ExportedProgram
    examples: tuple[Any, ...]
    samples: Sequence[tuple[Any, ...]]
    shared: dict[str, Any]
    emulated: int
    """How many samples the emulator runs."""

    @classmethod
    def of(cls, given: SearchArguments, examples: tuple[Any, ...], samples: Sequence[tuple[Any, ...]]) -> Setup:
        """That of a search."""
        shared = {name: getattr(given, name) for name in _SHARED}
        return cls(given.model, examples, samples, shared, given.verify_samples)


@attrs.frozen(eq=False)
class Portable:
    """A setup that can be sent to another process. It holds the model as the bytes of a ``.pt2`` file, the exact
    outputs, and a task metric (a function that can be imported, or ``module:callable``)."""

    program: bytes
    setup: dict[str, Any]
    wanted: FloatOutputs
    metric: Any

    @classmethod
    def of(cls, setup: Setup, wanted: FloatOutputs, metric: Any) -> Portable:
        """The same, to send."""
        import torch

        model, file = setup.model, io.BytesIO()
        if isinstance(model, torch.nn.Module):
            with torch.no_grad():
                model = torch.export.export(model, setup.examples, strict=False)
        torch.export.save(model, file)
        rest = {name: getattr(setup, name) for name in ("examples", "samples", "shared", "emulated")}
        return cls(file.getvalue(), rest, wanted, metric)

    def unpacked(self) -> Setup:
        """The setup."""
        import torch

        return Setup(model=torch.export.load(io.BytesIO(self.program)), **self.setup)


@attrs.frozen(eq=False)
class Wanting:
    """A config that is to be measured: its name (see :func:`qnnsolve.search.keeping.named`), and its recipe."""

    name: str
    recipe: Recipe


def measured_config(portable: Portable, wanting: Wanting) -> Measured:
    """Convert and measure a config.

    Raises:
        QnnSolveError: its recipe gives another config.
    """
    from qnnsolve.search.keeping import named
    from qnnsolve.search.measuring import measured, metric_of

    setup, recipe, shared = portable.unpacked(), wanting.recipe, dict(portable.setup["shared"])
    given = SolveArguments(setup.model, setup.examples, **shared)
    quantizer = quantizer_for(given, given.wanted(recipe), limits_of(given.time_limit))
    module = exported(setup.model, setup.examples)
    converted = converted_model(module, list(setup.samples), quantizer, Stages())
    assert quantizer.solution is not None, "it was prepared"
    if named(quantizer.solution.encodings) != wanting.name:
        raise QnnSolveError("the recipe of a config gives another one elsewhere: are the versions the same there?")
    metric = metric_of(portable.metric) if isinstance(portable.metric, str) else portable.metric
    return measured(converted, setup.samples, portable.wanted, metric)


def compiled_elsewhere(portable: Portable, recipe: Recipe) -> SearchProgram:
    """:func:`compiled`, in another process."""
    return compiled(portable.unpacked(), recipe)


def compiled(setup: Setup, recipe: Recipe) -> SearchProgram:
    """Compile the config of ``recipe``, and run its program on the emulator.

    Raises:
        HostBackendError: no compiler for the backend on this machine, or it failed or died.
    """
    with scratch_folder() as folder:
        result = export(
            setup.model,
            setup.examples,
            recipe=recipe,
            calibration=setup.samples,
            verify_samples=setup.emulated,
            out=folder / "point.pte",
            **setup.shared,
        )
    verification = result.verification
    return SearchProgram(
        delegates=result.delegates,
        cpu_ops=len(result.cpu_ops),
        unannounced=tuple(_unannounced(result)),
        pte_bytes=result.pte_bytes,
        emulator_db=_emulator_db(result),
        agrees=None if verification is None else verification.agrees,
        samples=0 if verification is None else verification.samples,
    )


def _unannounced(result: ExportResult) -> Iterator[str]:
    """The ops on the CPU that the solver did not leave there, and that do not only quantize for one that it left."""
    for op in result.cpu_ops:
        if op.reason != AT_BORDER and not op.reason.startswith(LEFT_BY_SOLVER):
            yield op.name


def _emulator_db(result: ExportResult) -> float | None:
    """The SQNR against the float model, each output relative to its own size; None where nothing was compared."""
    checks = () if result.verification is None else result.verification.outputs
    noise = [10 ** (-check.emulator.together / 10) for check in checks if check.emulator is not None]
    return decibels(sum(noise) / len(noise)) if noise else None
