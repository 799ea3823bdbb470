"""The parts of a report that tell of the program: its ops on the CPU, and how it compares on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.folding import fold, names_in_short
from qnnsolve.report_lines import Line, count, many, paragraph, percent
from qnnsolve.results import CpuOp, ExportResult, Unrunnable, Verification, in_words

__all__ = ["program"]


def program(result: ExportResult) -> Iterator[Line]:
    """The file and its delegates, the ops on the CPU, and what the emulator says."""
    yield from paragraph(f"Program: {result.pte}, {result.pte_bytes:,} bytes, {count(result.delegates, 'delegate')}")
    yield Line(f"Ops on the CPU: {len(result.cpu_ops) or 'none'}", style="bold")
    for group in fold(result.cpu_ops, _cpu_key):
        names = names_in_short([op.name for op in group])
        yield Line(f"  {many(group)}{names} ({group[0].target}): {group[0].reason}")
    yield from _unrunnable(result.unrunnable) if result.unrunnable else _verification(result.verification)


def _cpu_key(op: CpuOp) -> tuple[str, str]:
    return op.target, op.reason


def _unrunnable(kernels: tuple[Unrunnable, ...]) -> Iterator[Line]:
    yield Line("")
    yield Line("Emulator: not run, since ExecuTorch's runtime here cannot run the program", style="bold red")
    yield from (Line(f"  {kernel}") for kernel in kernels)


def _verification(verification: Verification | None) -> Iterator[Line]:
    if verification is None:
        yield from paragraph("Emulator: not run (--no-verify)")
        return
    yield Line("")
    yield from _agreement(verification)
    if len(verification.outputs) + len(verification.random_outputs) > 1:
        for output in verification.outputs:
            figures = f"largest error {output.max_abs:.4g} ({in_words(output)}), SQNR {output.sqnr_db:.1f} dB"
            yield Line(f"  output {output.index}: {figures}")
    for index in verification.random_outputs:
        yield Line(f"  output {index} is random: not compared")
    if verification.note:
        yield from (Line(f"  {line}", style="yellow") for line in verification.note.splitlines())


def _agreement(verification: Verification) -> Iterator[Line]:
    if verification.agrees is None:
        yield Line("Emulator: ran; every output is random, so there is nothing to compare", style="yellow")
        return
    worst = _worst(verification)
    limit = f"at most {percent(verification.tolerance)} allowed"
    if verification.agrees:
        yield Line(f"Emulator agrees with the converted model: largest error {worst} ({limit})", style="green")
    else:
        yield Line(f"Emulator DISAGREES with the converted model: largest error {worst} ({limit})", style="bold red")
    yield Line(
        f"SQNR against the float model: {verification.sqnr_db:.1f} dB over {count(verification.samples, 'sample')}"
    )


def _worst(verification: Verification) -> str:
    """``1.6 % of the output's range, 4 steps of its 8-bit encoding``, at the output that is farthest off."""
    share = f"{percent(verification.emulator_vs_converted_max_rel)} of the output's range"
    worst = max(verification.outputs, key=lambda output: output.max_rel, default=None)
    return share if worst is None else share + in_words(worst).partition("of its range")[2]
