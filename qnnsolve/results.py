"""What a solve and an export answer, as plain frozen records: what reports print and JSON carries.

No torch here, so that a saved run can be read anywhere. Field order is the order of the JSON.
"""

from __future__ import annotations

import enum

import attrs

from qnnsolve.checks import ConvertedCheck, Decibels, OutputCheck, Verdict, Verification, in_words

__all__ = [
    "AT_BORDER",
    "CalibrationRecord",
    "ConflictRecord",
    "ConvertRecord",
    "ConvertedCheck",
    "CpuOp",
    "Decibels",
    "Deviation",
    "ExportResult",
    "FactsRecord",
    "InfiniteValues",
    "JoinRecord",
    "JoinedPart",
    "NodeRecord",
    "Outlier",
    "OutputCheck",
    "Placement",
    "SolveResult",
    "SourceRecord",
    "Stand",
    "Status",
    "Verdict",
    "Verification",
    "in_words",
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
class JoinedPart:
    """What one part of a join has, and what is left of it.

    ``low`` and ``high`` over calibration; the signal to quantization noise in decibel: as it is joined, alone in as
    many bits, and joined in 16 bits (None where it is).
    """

    producer: str
    low: float
    high: float
    sqnr_db: float
    alone_db: float
    wide_db: float | None


@attrs.frozen
class JoinRecord:
    """An op that joins parts under one encoding, of so many bits and with such a ``step``, that does not fit them all.

    ``outputs`` are those of the model that it is.
    """

    node: str
    target: str
    bits: int
    step: float
    outputs: tuple[int, ...]
    parts: tuple[JoinedPart, ...]


@attrs.frozen
class Outlier:
    """A calibration sample (from 0 on) with a ``value`` in magnitude over a thousand times the largest elsewhere."""

    input: str
    sample: int
    value: float
    others: float


@attrs.frozen
class InfiniteValues:
    """How many values at a node were infinite in calibration; they took no part in its range."""

    node: str
    count: int


@attrs.frozen
class CalibrationRecord:
    """What calibration showed that a user should know."""

    joined: tuple[JoinRecord, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    infinite: tuple[InfiniteValues, ...] = ()


@attrs.frozen
class SolveResult:
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

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Those of all nodes, in the order of the graph."""
        return tuple(deviation for node in self.nodes for deviation in node.deviations)


AT_BORDER = "quantizes or dequantizes at the border of a CPU op"
"""Why an op is on the CPU that only serves others there."""


class Stand(enum.Enum):
    """Where an op on the CPU stands among the delegates: by whether any delegate feeds it, and whether it feeds any."""

    BEFORE = "before"
    BETWEEN = "between"
    AFTER = "after"
    APART = "apart"


@attrs.frozen
class CpuOp:
    """An op that the lowered program leaves on the CPU, why (:data:`AT_BORDER`, or a sentence), and where it stands."""

    name: str
    target: str
    reason: str
    stand: Stand = Stand.APART


@attrs.frozen
class Unrunnable:
    """A kernel that a program calls on the CPU and that ExecuTorch's runtime here lacks, or that refuses its arguments.

    ``kernel`` as the runtime names it (``aten::sort.values``); ``nodes`` are the model's ops that call it.
    """

    kernel: str
    nodes: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"{', '.join(self.nodes) or 'an op'} ({self.kernel}): {self.why}"


@attrs.frozen
class ExportResult:
    """A solve, and the program that came of it. ``timings`` cover every stage, the solve included.

    ``verification`` is None where it was not asked for, or where the program is ``unrunnable`` here.
    """

    solve: SolveResult
    delegates: int
    cpu_ops: tuple[CpuOp, ...]
    pte: str
    pte_bytes: int
    verification: Verification | None
    timings: tuple[tuple[str, float], ...]
    unrunnable: tuple[Unrunnable, ...] = ()
    converted: tuple[ConvertedCheck, ...] = ()
    """Of every output that is not random, how near the converted model is to the float model."""
