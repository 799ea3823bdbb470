"""How far two sets of outputs are apart, and whether that is rounding: arithmetic alone, no emulator."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from qnnsolve.results import AT_BORDER, CpuOp, OutputCheck, Stand, Verification, in_words

if TYPE_CHECKING:
    import torch

__all__ = ["Grid", "compare", "sqnr_db"]

LISTED_CPU_OPS = 5
ROUNDING_DB = 1.5
"""What other rounding may cost. Measured over the example models with ExecuTorch's own quantizer at 8 bits: rounding
alone costs nothing (-1.2 to 0 dB), wrong softmax scales cost 3.9 dB (BERT) and 15.7 dB (Whisper)."""


@attrs.frozen
class Grid:
    """What an output can be: multiples of ``scale`` (real units per step), 2 to the power of ``bits`` of them."""

    scale: float
    bits: int


def compare(
    emulator: Sequence[Sequence[torch.Tensor]],
    converted: Sequence[Sequence[torch.Tensor]],
    original: Sequence[Sequence[torch.Tensor]],
    *,
    tolerance: float = 0.01,
    cpu_ops: Sequence[CpuOp] = (),
    grids: Sequence[Grid | None] = (),
    random: Collection[int] = (),
) -> Verification:
    """The worst figures over samples (outer) and outputs (inner), those at ``random`` excepted.

    ``max_rel`` is the largest difference between emulator and converted model over the range (max - min) of the
    converted output; over its magnitude where it is constant. Integers and booleans count the fraction of values
    that differ. A NaN or an infinity on either side, or another shape, is an infinite difference. ``grids`` has per
    output the encoding that it is computed in, where known: differences are counted in its steps as well.
    """
    checks: list[OutputCheck] = []
    notes: list[str] = []
    for index in (each for each in range(len(converted[0])) if each not in random):
        rows = [
            (_as_scalar(got[index], want[index]), want[index], ref[index])
            for got, want, ref in zip(emulator, converted, original, strict=True)
        ]
        each = [_differences(got, want) for got, want, _ in rows]
        max_abs, max_rel = max(pair[0] for pair in each), max(pair[1] for pair in each)
        grid = grids[index] if index < len(grids) else None
        check = OutputCheck(
            index,
            max_abs,
            max_rel,
            min(sqnr_db(got, ref) for got, _, ref in rows),
            steps=None if grid is None or not math.isfinite(max_abs) else round(max_abs / grid.scale),
            bits=None if grid is None else grid.bits,
        )
        checks.append(check)
        notes.extend(_notes(check, rows, tolerance))
    worst = max((check.max_rel for check in checks), default=math.nan if random else 0.0)
    if tolerance < worst < math.inf:
        notes.append(_verdict(checks, converted, original))
    if worst > tolerance:
        notes.extend(_around_delegates(cpu_ops))
    return Verification(
        emulator_vs_converted_max_rel=worst,
        sqnr_db=min((check.sqnr_db for check in checks), default=math.nan if random else math.inf),
        tolerance=tolerance,
        samples=len(converted),
        outputs=tuple(checks),
        note="\n".join(notes) or None,
        random_outputs=tuple(sorted(random)),
    )


def _as_scalar(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """QNN has none without dimensions: ExecuTorch (``remove_0d_tensor.py``, 1.5.1) gives a scalar one of size 1."""
    return got.reshape(()) if want.dim() == 0 and got.numel() == 1 else got


def _differences(got: torch.Tensor, want: torch.Tensor) -> tuple[float, float]:
    """(largest absolute difference, the same relative to the range of ``want``)."""
    if got.shape != want.shape:
        return math.inf, math.inf
    if want.numel() == 0:
        return 0.0, 0.0
    difference = (got.double() - want.double()).abs()
    if not (want.is_floating_point() and got.is_floating_point()):
        return float(difference.max()), float((got != want).double().mean())
    if not (got.isfinite().all() and want.isfinite().all()):
        return math.inf, math.inf
    largest = float(difference.max())
    scale = float(want.max()) - float(want.min()) or float(want.abs().max()) or 1.0
    return largest, largest / scale


def sqnr_db(got: torch.Tensor, original: torch.Tensor) -> float:
    """Signal to quantization noise, ``10 log10(sum of squares / sum of squared errors)``; infinite without noise."""
    if got.shape != original.shape:
        return -math.inf
    signal, noise = original.double(), got.double() - original.double()
    power, noise_power = float(signal.square().sum()), float(noise.square().sum())
    if noise_power == 0:
        return math.inf
    if power == 0 or not math.isfinite(noise_power):
        return -math.inf
    return 10 * math.log10(power / noise_power)


def _notes(check: OutputCheck, rows: Sequence[Sequence[torch.Tensor]], tolerance: float) -> list[str]:
    name = f"output {check.index}"
    if check.max_rel > tolerance:
        for got, want, _ in rows:
            if got.shape != want.shape:
                return [f"{name} has shape {tuple(got.shape)} on the emulator, {tuple(want.shape)} when converted"]
        finite = [all(bool(row[side].isfinite().all()) for row in rows) for side in (0, 1)]
        if not all(finite):
            sides = zip(("emulator's", "converted model's"), finite, strict=True)
            where = " and ".join(side for side, fine in sides if not fine)
            return [f"{name} holds NaN or infinity in the {where} values"]
        if not rows[0][1].is_floating_point():
            return [f"{name} differs in {check.max_rel * 100:.3g} % of its integers, by up to {check.max_abs:g}"]
        return [f"{name} differs by up to {check.max_abs:.3g}, {in_words(check)}"]
    constant = (want.numel() > 1 and bool((want == want.flatten()[0]).all()) for _, want, _ in rows)
    return [f"{name} is constant, so that agreement says little"] if all(constant) else []


def _verdict(
    checks: Sequence[OutputCheck],
    converted: Sequence[Sequence[torch.Tensor]],
    original: Sequence[Sequence[torch.Tensor]],
) -> str:
    """Rounding, or something wrong: by whether the emulator is as near to the float model as the converted one.

    Measured (QNN 2.51, V79, 8 bits): convolution, linear and add each round 2 to 8 % of their values one step apart
    from torch, either way, which leaves the SQNR as it is and still adds up over layers; a wrong scale costs SQNR.
    """
    own = [
        min(sqnr_db(want[check.index], ref[check.index]) for want, ref in zip(converted, original, strict=True))
        for check in checks
    ]
    lost = max(mine - check.sqnr_db for mine, check in zip(own, checks, strict=True) if mine != check.sqnr_db)
    figures = f"{min(check.sqnr_db for check in checks):.1f} dB on the emulator, {min(own):.1f} dB when converted"
    if lost <= ROUNDING_DB:
        return f"SQNR against the float model: {figures}; so this is rounding, not a wrong scale"
    return f"SQNR against the float model: {figures}; so the emulator computes something else"


_WHERE = {
    Stand.BETWEEN: "between the delegates",
    Stand.BEFORE: "before the delegates",
    Stand.AFTER: "after the delegates",
    Stand.APART: "apart from the delegates",
}


def _around_delegates(cpu_ops: Sequence[CpuOp]) -> Iterator[str]:
    """A line per place: the ops that compute something; what only quantizes for them where there is nothing else."""
    computing = [op for op in cpu_ops if op.reason != AT_BORDER] or cpu_ops
    for stand, where in _WHERE.items():
        names = [f"{op.name} ({op.target})" for op in computing if op.stand is stand]
        more = len(names) - LISTED_CPU_OPS
        if names:
            listed = ", ".join(names[:LISTED_CPU_OPS]) + (f" and {more} more" if more > 0 else "")
            yield f"on the CPU, {where}: {listed}"
