"""What a comparison node by node answers, as plain frozen records. Field order is the order of the JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from qnnsolve.results.checks import ConvertedCheck, Decibels, Verdict
from qnnsolve.results.showing import Shown
from qnnsolve.results.solving import SolveResult

__all__ = ["BOUND_DB", "EXCESS_DB", "CompareResult", "EmulatedNode", "FirstDifference", "NodeComparison"]

BOUND_DB = 20.0
"""Under which a node is named: its noise is a tenth of its signal."""
EXCESS_DB = 6.0
"""Beyond which a node's own noise is more than its encodings explain. Rounding makes 4.8 dB of it at most: half a step,
squared, is three times the mean of its square."""


@attrs.frozen
class EmulatedNode:
    """A node on the emulator against the converted model.

    ``own``: torch computes it from what the emulator's node reads; ``accumulated``: from the model's inputs on.
    ``steps`` is the largest own difference, in steps of the output's encoding, and ``apart`` the share of values that
    differ by one or more. The ``verdict`` is on the own difference: whether it is rounding.
    """

    own: Decibels
    accumulated: Decibels
    steps: int
    apart: float
    verdict: Verdict


@attrs.frozen
class NodeComparison:
    """A node of the converted model against the float model, over all samples.

    ``own``: from what the float model's nodes yield; ``accumulated``: from the model's inputs on. ``saturated`` is
    the share of its values beyond its encoding's range, ``unused`` the share of that range in which none lies; both
    are None where its output is not quantized. ``emulator`` is None where the emulator was not asked, or cannot be.
    ``excess`` is by how many decibels its own noise is more than its output's encoding, as calibrated, and the steps of
    its constants explain; what is beyond the calibrated range is left out.
    """

    name: str
    target: str
    module_path: str
    encoding: str | None
    own: Decibels
    accumulated: Decibels
    saturated: float | None = None
    unused: float | None = None
    emulator: EmulatedNode | None = None
    excess: float | None = None


@attrs.frozen
class FirstDifference:
    """The first node that the emulator computes otherwise than torch does from the same inputs.

    ``node`` is None where no node differs alone. With every value an output of its own, the compiler fuses nothing, so
    a difference that arises in a fusion is not seen. ``refused`` are nodes that the compiler takes as no output.
    """

    node: str | None
    target: str = ""
    module_path: str = ""
    steps: int = 0
    apart: float = 0.0
    verdict: Verdict = Verdict.AGREES
    nodes: int = 0
    """How many were compared."""
    refused: tuple[str, ...] = ()
    reason: str = ""
    """Why it could not be looked for; empty where it was."""


@attrs.frozen
class CompareResult(Shown):
    """Each node of a model, in the order of the graph; ``nodes`` are those that yield floats computed from inputs."""

    solve: SolveResult
    bound_db: float
    samples: int
    emulated: int
    """Samples that the emulator ran; 0: none."""
    outputs: tuple[ConvertedCheck, ...]
    """The converted model's outputs against those of the model as it was given."""
    nodes: tuple[NodeComparison, ...]
    first_difference: FirstDifference | None
    """None where the emulator was not asked."""
    notes: tuple[str, ...]
    timings: tuple[tuple[str, float], ...]

    @property
    def first_unexplained(self) -> NodeComparison | None:
        """The first node whose own error its encodings do not explain: something is wrong with it."""
        return next((node for node in self.nodes if node.excess is not None and not node.excess <= EXCESS_DB), None)

    @property
    def first_own(self) -> NodeComparison | None:
        """The first node whose own error is more than ``bound_db`` allows."""
        return self._first(lambda node: node.own)

    @property
    def first_accumulated(self) -> NodeComparison | None:
        """The first node at which the accumulated error is."""
        return self._first(lambda node: node.accumulated)

    @property
    def first_emulator_own(self) -> NodeComparison | None:
        """The first node whose own error on the emulator, against the converted model, is."""
        return self._first(lambda node: None if node.emulator is None else node.emulator.own)

    @property
    def first_emulator_accumulated(self) -> NodeComparison | None:
        """The first node at which the emulator's accumulated error, against the converted model, is."""
        return self._first(lambda node: None if node.emulator is None else node.emulator.accumulated)

    def _first(self, figure: Callable[[NodeComparison], Decibels | None]) -> NodeComparison | None:
        def found() -> Iterator[NodeComparison]:
            for node in self.nodes:
                sqnr = figure(node)
                if sqnr is not None and not sqnr.together >= self.bound_db:
                    yield node

        return next(found(), None)
