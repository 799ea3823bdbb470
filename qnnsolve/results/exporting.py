"""What an export answers, as plain frozen records. Field order is the order of the JSON."""

from __future__ import annotations

import enum

import attrs

from qnnsolve.results.checks import ConvertedCheck, Verification
from qnnsolve.results.comparing import FirstDifference
from qnnsolve.results.showing import Shown
from qnnsolve.results.solving import SolveResult

__all__ = ["AT_BORDER", "CpuOp", "ExportResult", "ProgramCall", "Stand", "Unrunnable"]

AT_BORDER = "quantizes or dequantizes at the border of a CPU op"
"""Why an op is on the CPU that only serves others there."""


class Stand(enum.Enum):
    """Where an op on the CPU stands: whether a delegate feeds it, and whether it feeds one, even by way of other
    ops."""

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
class ProgramCall:
    """A call in a program: in which execution plan, chain and instruction (from 0) it stands.

    ``name`` is the op in the converted graph that a kernel on the CPU computes; empty where it calls a ``delegate``.
    """

    plan: str
    chain: int
    instruction: int
    name: str = ""
    delegate: bool = False


@attrs.frozen
class ExportResult(Shown):
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
    calls: tuple[ProgramCall, ...] = ()
    """Of the program, in order. Kernels are missing where they cannot be told apart (control flow)."""
    first_difference: FirstDifference | None = None
    """Where the emulator disagrees: the first node that it computes otherwise than torch from the same inputs; None
    where it agrees, or cannot be asked."""
    peaks: tuple[tuple[str, int, int], ...] = ()
    """By stage the most memory by its end, in MB (2**20 bytes): of this process, and of the largest in which the stage
    ran (0: in none, or in one that took no more than an earlier one)."""
