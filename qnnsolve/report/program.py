"""The parts of a report that tell of the program: its ops on the CPU, and how it compares on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from qnnsolve.report.accuracy import accuracy, output_lines
from qnnsolve.report.comparing import difference_line
from qnnsolve.report.folding import fold, names_in_short
from qnnsolve.report.lines import Line, count, many, paragraph, percent
from qnnsolve.results import CpuOp, ExportResult, Verdict, Verification, in_words

__all__ = ["agreement", "program"]


def program(result: ExportResult) -> Iterator[Line]:
    """The file and its delegates, the ops on the CPU, and what the emulator says."""
    yield from paragraph(f"Program: {result.pte}, {result.pte_bytes:,} bytes, {count(result.delegates, 'delegate')}")
    if not result.delegates:
        yield Line("Nothing runs on the accelerator", style="bold red")
    yield Line(f"Ops on the CPU: {len(result.cpu_ops) or 'none'}", style="bold")
    for group in fold(result.cpu_ops, _cpu_key):
        names = names_in_short([op.name for op in group])
        yield Line(f"  {many(group)}{names} ({group[0].target}): {group[0].reason}")
    yield from _unrunnable(result) if result.unrunnable else _verification(result)


def _cpu_key(op: CpuOp) -> tuple[str, str]:
    return op.target, op.reason


def _unrunnable(result: ExportResult) -> Iterator[Line]:
    yield Line("")
    yield Line("Emulator: not run, since ExecuTorch's runtime here cannot run the program", style="bold red")
    yield from (Line(f"  {kernel}") for kernel in result.unrunnable)
    yield from accuracy(result)


def _verification(result: ExportResult) -> Iterator[Line]:
    verification = result.verification
    if verification is None:
        yield from paragraph("Emulator: not run (--no-verify)")
        yield from accuracy(result)
        return
    yield Line("")
    yield agreement(verification)
    yield from accuracy(result)
    yield from output_lines(verification)
    if verification.note:
        yield from (Line(f"  {line}", style="yellow") for line in verification.note.splitlines())
    if result.first_difference is not None:
        yield difference_line(result.first_difference)


def agreement(verification: Verification) -> Line:
    """Whether the emulator computes what the converted model does."""
    match verification.verdict:
        case None:
            return Line("Emulator: ran; every output is random, so there is nothing to compare", style="yellow")
        case Verdict.AGREES:
            limit = f"at most {percent(verification.tolerance)} allowed"
            said = f"agrees with the converted model: largest error {_worst(verification)} ({limit})"
            return Line(f"Emulator {said}", style="green")
        case Verdict.ROUNDING:
            said = "agrees with the converted model but for rounding"
            return Line(f"Emulator {said}: largest error {_worst(verification)}", style="green")
        case Verdict.DISAGREES:
            names = ", ".join(str(each.index) for each in verification.outputs if each.verdict is Verdict.DISAGREES)
            at = f" at output {names}" if len(verification.outputs) > 1 else ""
            said = f"DISAGREES with the converted model{at}: largest error {_worst(verification)}"
            return Line(f"Emulator {said}", style="bold red")
        case never:
            assert_never(never)


def _worst(verification: Verification) -> str:
    """``1.6 % of the output's range, 4 steps of its 8-bit encoding``: the largest error among the outputs that
    decide the verdict."""
    deciding = [each for each in verification.outputs if each.verdict is verification.verdict]
    worst = max(deciding, key=lambda output: output.max_rel, default=None)
    if worst is None:
        return f"{percent(verification.emulator_vs_converted_max_rel)} of the output's range"
    return f"{percent(worst.max_rel)} of the output's range" + in_words(worst).partition("of its range")[2]
