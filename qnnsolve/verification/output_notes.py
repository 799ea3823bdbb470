"""What is to be said of one output of the emulator: by how much it differs, what that is, how coarse it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qnnsolve.results import OutputCheck, Verdict, in_words
from qnnsolve.verification.judging import LOSS_DB, Row

__all__ = ["notes_on"]


def notes_on(check: OutputCheck, rows: Sequence[Row], *, quantized: bool) -> Iterator[str]:
    """Lines for a report; none where the output agrees and there is nothing odd about it.

    ``rows`` are per sample the emulator's, the converted and the float model's values.
    """
    name = f"output {check.index}"
    if check.verdict is not Verdict.AGREES:
        yield f"{name} {_shapes(rows) or _not_finite(rows) or _difference(check, rows, quantized)}"
    elif all(want.numel() > 1 and bool((want == want.flatten()[0]).all()) for _, want, _ in rows):
        yield f"{name} is constant, so that agreement says little"
    if check.few_steps and check.max_abs > 0 and check.bits:
        used = f"{check.steps_used:,} of {2**check.bits:,} steps of its encoding"
        yield f"{name} uses {used}: the calibrated range is far wider than what it holds here"


def _shapes(rows: Sequence[Row]) -> str | None:
    pairs = ((tuple(got.shape), tuple(want.shape)) for got, want, _ in rows)
    return next((f"has shape {got} on the emulator, {want} when converted" for got, want in pairs if got != want), None)


def _not_finite(rows: Sequence[Row]) -> str | None:
    finite = [all(bool(row[side].isfinite().all()) for row in rows) for side in (0, 1)]
    sides = zip(("emulator's", "converted model's"), finite, strict=True)
    where = " and ".join(side for side, fine in sides if not fine)
    return f"holds NaN or infinity in the {where} values" if where else None


def _difference(check: OutputCheck, rows: Sequence[Row], quantized: bool) -> str:
    integers = not all(got.is_floating_point() and want.is_floating_point() for got, want, _ in rows)
    if integers:
        size = f"differs in {check.max_rel * 100:.3g} % of its integers, by up to {check.max_abs:g}"
    else:
        size = f"differs by up to {check.max_abs:.3g}, {in_words(check)}"
    if not quantized:
        return f"{size}: something else is computed, since nothing is quantized there"
    if check.verdict is Verdict.DISAGREES:
        place = f" at {check.place}" if check.place else ""
        return f"{size}: something else is computed{place}: {_nearness(check, rows, integers)}"
    if check.tied:
        values = "1 value turns" if check.tied == 1 else f"{check.tied:,} values turn"
        return f"{size}: rounding: {values} on one step of what the op reads (equal scores, a number at a threshold)"
    if not integers and check.steps is not None and check.steps <= 1:
        return f"{size}: rounding, a step at most"
    few = (check.lost_db or 0.0) > LOSS_DB and not integers
    return f"{size}: rounding{', as chance has it over few values' if few else ''}: {_nearness(check, rows, integers)}"


def _nearness(check: OutputCheck, rows: Sequence[Row], integers: bool) -> str:
    """How far each is from the float model, over the samples that the emulator ran."""
    if integers:
        values = sum(ref.numel() for _, _, ref in rows)
        missed = [sum(int((row[side] != row[2]).sum()) for row in rows) / values * 100 for side in (0, 1)]
        return f"{missed[0]:.3g} % are not the float model's on the emulator, {missed[1]:.3g} % when converted"
    if check.emulator is None or check.converted is None:
        return "no figures"
    figures = f"{check.emulator.together:.1f} dB on the emulator, {check.converted.together:.1f} dB when converted"
    return f"SQNR against the float model {figures}"
