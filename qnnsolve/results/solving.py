"""What a solve answers, as plain frozen records. Field order is the order of the JSON."""

from __future__ import annotations

import enum

import attrs

from qnnsolve.results.calibration import CalibrationRecord
from qnnsolve.results.showing import Shown

__all__ = [
    "ConflictRecord",
    "ConvertRecord",
    "Deviation",
    "FactsRecord",
    "NodeRecord",
    "OverriddenRecord",
    "Placement",
    "SolveResult",
    "SourceRecord",
    "Status",
    "WishRecord",
]


class Status(enum.Enum):
    """``UNKNOWN``: a limit was hit. It is never used for *impossible*."""

    SATISFIABLE = "satisfiable"
    UNSATISFIABLE = "unsatisfiable"
    UNKNOWN = "unknown"


class Placement(enum.Enum):
    """Where a node runs: on the accelerator, on the CPU, or nowhere (a constant, an input, an identity)."""

    NPU = "npu"
    CPU = "cpu"
    NONE = "none"


@attrs.frozen
class SourceRecord:
    """A source of facts that took part in a decision: its kind (``measured``, ``sdk``, ``user`` ...) and citation."""

    kind: str
    citation: str


@attrs.frozen
class FactsRecord:
    """A source of operator facts that was looked for: whether its facts were used, and what or why not."""

    source: str
    used: bool
    detail: str


@attrs.frozen
class Deviation:
    """One place where the solution differs from the request; ``site`` is ``node`` or ``producer -> node``."""

    site: str
    requested: str
    chosen: str
    reason: str
    rule: str
    sources: tuple[SourceRecord, ...] = ()
    """Of the facts that rule out what was requested."""
    asked_by: str = ""
    """The words of the wishes that it deviates from, with commas between; empty where only the preset asks."""


@attrs.frozen
class WishRecord:
    """A wish, and what came of it; a port at which a later wish says something else counts for the later one alone."""

    where: str
    what: str
    strength: str
    """``prefer`` or ``pin``."""
    words: str
    nodes: int
    """That stand there; 0: the model has no such place."""
    kept: int
    """Ports (of ``cpu``: nodes) that have what it asks for."""
    missed: int
    """Those that have not."""


@attrs.frozen
class OverriddenRecord:
    """At ``node`` the wish ``later`` says something else than ``earlier``, and counts; both by their words."""

    node: str
    earlier: str
    later: str


@attrs.frozen
class NodeRecord:
    """One node of the annotated graph; encodings by their short names (``u16``, ``s8/ch0``, ``float``)."""

    name: str
    target: str
    qnn_op: str | None
    module_path: str
    inputs: tuple[tuple[str, str], ...]
    """(producer, encoding on the edge), in argument order."""
    output: str | None
    placement: Placement
    deviations: tuple[Deviation, ...] = ()


@attrs.frozen
class ConvertRecord:
    """A requantization that the solution inserts on an edge."""

    producer: str
    user: str
    source: str
    target: str
    numel: int | None
    price: int
    reason: str
    rule: str
    sources: tuple[SourceRecord, ...] = ()
    """Of the facts that allow it."""


@attrs.frozen
class ConflictRecord:
    """Constraints that cannot hold together: the nodes they touch, and one sentence per constraint."""

    nodes: tuple[str, ...]
    constraints: tuple[str, ...]
    text: str
    sources: tuple[SourceRecord, ...] = ()


@attrs.frozen
class SolveResult(Shown):
    """The answer of one solve. ``proof`` is ``optimal``, or the gap as a fraction of the cost."""

    status: Status
    proof: str | None
    cost: int | None
    breakdown: tuple[tuple[str, int], ...]
    """(price list entry, sum), largest first."""
    backend: str
    soc: str
    arch: str
    """Of ``backend`` on ``soc``: ``V68`` for HTP, ``V6`` for LPAI."""
    precision: str
    nodes: tuple[NodeRecord, ...]
    converts: tuple[ConvertRecord, ...]
    unverified: tuple[tuple[str, str], ...]
    """(node, target) of every op without facts."""
    conflicts: tuple[ConflictRecord, ...]
    timings: tuple[tuple[str, float], ...]
    """(stage, seconds)."""
    facts: tuple[FactsRecord, ...] = ()
    """Every source of operator facts that was looked for."""
    notes: tuple[str, ...] = ()
    """What was changed before anything was decided: sizes that may vary, floats of another width than 32 bits, a
    quantization that the model came with."""
    calibration: CalibrationRecord | None = None
    """None before any sample was seen."""
    limit: str | None = None
    """What stopped the search (``seconds=5``) before it was done; None: nothing did."""
    wishes: tuple[WishRecord, ...] = ()
    """In the order in which they count, the last over the others."""
    overridden: tuple[OverriddenRecord, ...] = ()

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Those of all nodes, in the order of the graph."""
        return tuple(deviation for node in self.nodes for deviation in node.deviations)
