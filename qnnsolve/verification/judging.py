"""Rounding or something else: how an output of the emulator that differs from the converted model's is judged.

Both are compared with the float model. Emulator and converted model round in different places. So their errors stand
in different places, too, but are equally large. A wrong scale or a garbled channel or row makes a larger error.
Measured (QNN 2.51, V79, 8 bits): convolution, linear and add each round 2 to 8 % of their values one step apart from
torch, either way, which leaves the SQNR as it is and still adds up over layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import attrs

from qnnsolve.results import Verdict

if TYPE_CHECKING:
    import torch

__all__ = ["FLOAT_ROUNDING", "Row", "differences", "judge"]

LOSS_DB = 1.0
"""More than other rounding costs. Measured over the example models with ExecuTorch's own quantizer at 8 bits: rounding
costs nothing (-1.2 to 0 dB), wrong softmax scales cost 3.9 dB (BERT) and 15.7 dB (Whisper)."""
CHANCE_DB = 14.0
"""Over the square root of the number of values that carry the noise: what the ratio of two equal normal noises exceeds
in 5 % of all cases (F distribution; its logarithm deviates by 8.7 dB over that root). It counts below 196 such
values."""
ALIKE_DB = 3.0
"""What that allows at most for values that are not draws of their own; real faults cost 3.9 dB and more (see above)."""
PLACE_DB = 6.0
"""What one channel, row or sample loses where it is called garbled: twice the error."""
SEVERAL_STEPS = 3
MANY = 16
"""From so many wrong values in a slice on, they are not a few values that rounding turned over by chance."""
FLOAT_ROUNDING = 1e-4
"""Of the output's range: what two implementations in single precision may differ by where nothing is quantized."""

Row: TypeAlias = "tuple[torch.Tensor, torch.Tensor, torch.Tensor]"
"""An output of one sample: on the emulator, of the converted model, of the float model."""


def differences(got: torch.Tensor, want: torch.Tensor) -> tuple[float, float]:
    """(largest absolute difference, the same over the range of ``want``); of integers, the share that differs."""
    if got.shape != want.shape:
        return math.inf, math.inf
    if want.numel() == 0:
        return 0.0, 0.0
    difference = (got.double() - want.double()).abs()
    if not _floats(got, want):
        return float(difference.max()), float((got != want).double().mean())
    if not (got.isfinite().all() and want.isfinite().all()):
        return math.inf, math.inf
    largest = float(difference.max())
    scale = float(want.max()) - float(want.min()) or float(want.abs().max()) or 1.0
    return largest, largest / scale


def judge(
    rows: Sequence[Row], max_rel: float, steps: int | None, step: float, tolerance: float, *, quantized: bool = True
) -> tuple[Verdict, str | None]:
    """What the difference is, and where a disagreement stands in one place, that place.

    ``max_rel`` is the worst of :func:`differences`, ``steps`` the same in steps of the encoding, of ``step`` real
    units each (None and 0 where that is not known). Where the converted model is not ``quantized``, nothing but the
    rounding of floats is allowed.
    """
    integers = not all(_floats(got, want) for got, want, _ in rows)
    if max_rel <= (tolerance if quantized else 0.0 if integers else min(tolerance, FLOAT_ROUNDING)):
        return Verdict.AGREES, None
    comparable = all(ref.shape == want.shape and bool(ref.isfinite().all()) for _, want, ref in rows)
    if not (quantized and comparable and math.isfinite(max_rel)):
        return Verdict.DISAGREES, None
    if integers:
        return _judge_integers(rows), None
    if steps is not None and steps <= 1:
        return Verdict.ROUNDING, None
    got, want, ref = (_stacked(rows, side) for side in range(3))
    emulator, converted = (got - ref).square(), (want - ref).square()
    carrying = _carrying(emulator + converted)
    alike = min(ALIKE_DB, CHANCE_DB / math.sqrt(max(1.0, carrying * _apart(want - ref))))
    chance = max(LOSS_DB, CHANCE_DB / math.sqrt(carrying), alike)
    least = max(tolerance * float(want.max() - want.min()), SEVERAL_STEPS * step)
    factor = _factor(PLACE_DB - LOSS_DB + chance)
    places = list(_garbled_places(emulator, converted, (got - want).abs(), least, factor))
    if float(emulator.sum()) > _factor(chance) * float(converted.sum()):
        places = [place for place in places if place.alone]
        return Verdict.DISAGREES, str(max(places)) if places else None
    return (Verdict.DISAGREES, str(max(places))) if places else (Verdict.ROUNDING, None)


def _floats(*values: torch.Tensor) -> bool:
    return all(value.is_floating_point() for value in values)


def _stacked(rows: Sequence[Row], side: int) -> torch.Tensor:
    """All samples of one side, along a first axis of their own, in double precision."""
    import torch

    return torch.stack([row[side] for row in rows]).double()


def _factor(decibels: float) -> float:
    return 10 ** (float(decibels) / 10)


def _judge_integers(rows: Sequence[Row]) -> Verdict:
    """Rounding where the converted model misses the float model's integers about as often as the emulator does.

    Which value is largest, or above a threshold, turns on the last step; where the converted model never turned,
    though, nothing says that the emulator may. Only the values at which one is right and the other wrong count
    (McNemar's test, at two deviations).
    """
    lost = gained = 0
    for got, want, ref in rows:
        lost += int(((got != ref) & (want == ref)).sum())
        gained += int(((got == ref) & (want != ref)).sum())
    chance = max(_factor(LOSS_DB) * gained, gained + 2 * math.sqrt(lost + gained))
    return Verdict.ROUNDING if lost == 0 or (gained and lost <= chance) else Verdict.DISAGREES


@attrs.frozen(order=True)
class _Place:
    """A slice in which the emulator alone is off; ``share`` of its noise in the mean of all along the axis."""

    share: float
    axis: int
    index: int
    alone: bool
    """No other along that axis is."""

    def __str__(self) -> str:
        return f"sample {self.index}" if self.axis == 0 else f"index {self.index} of axis {self.axis - 1}"


def _garbled_places(
    emulator: torch.Tensor, converted: torch.Tensor, apart: torch.Tensor, least: float, factor: float
) -> Iterator[_Place]:
    """The slices along one axis (samples first) in which the emulator alone is off.

    A slice's own noise is ``factor`` times the converted model's, and a value in it is more than ``least`` apart. That
    happens by chance where noise is large in a few values. So one of two must hold besides: the noise is that much
    larger than the converted model's noise in any slice along the axis; or many values of the slice are off, and
    elsewhere none by a quarter of that.
    """
    for axis in (each for each in range(apart.dim()) if apart.shape[each] > 1):
        noise, own, off = (each.movedim(axis, 0).reshape(each.shape[axis], -1) for each in (emulator, converted, apart))
        here, usual, farthest = noise.mean(1), own.mean(1), off.max(1).values
        first, second = farthest.topk(2).values.tolist()
        alone = (_many(off) >= MANY) & (farthest == first) & (second * 4 <= first)
        bad = (here > factor * usual) & (farthest > least) & ((here > factor * usual.max()) | alone)
        found = bad.nonzero().flatten().tolist()
        for index in found:
            yield _Place(float(here[index] / here.mean()), axis, index, len(found) == 1)


def _carrying(noise: torch.Tensor) -> float:
    """How many values carry the noise of both: half of them where it is normal, few in a softmax with a peak."""
    return float(_many(noise.flatten()[None].sqrt()))


def _apart(noise: torch.Tensor) -> float:
    """The share of values that are draws of their own, by how the converted ``noise`` (samples first) hangs together.

    Neighbours in an image come from much the same values, and two classes of a softmax add up to one. (PNet at 8 bits
    over two images: 2.2 dB by chance; over eight the emulator is the better one.) Of a row of values in which each is
    ``r`` of the one before, ``(1 - r) / (1 + r)`` are new.
    """
    share = 1.0
    for axis in (each for each in range(1, noise.dim()) if noise.shape[each] > 1):
        size = noise.shape[axis]
        before, after = noise.narrow(axis, 0, size - 1), noise.narrow(axis, 1, size - 1)
        power = math.sqrt(float(before.square().sum()) * float(after.square().sum()))
        alike = float((before * after).sum()) / power if power else 0.0
        alike = abs(alike) if size == 2 else max(0.0, alike)
        alike = max(0.0, min(alike, 1.0) - 2 / math.sqrt(before.numel()))
        share *= max((1 - alike) / (1 + alike), 1 / size)
    return share


def _many(off: torch.Tensor) -> torch.Tensor:
    """Per row, by how many values its sum of squares is carried: all of them where they are alike, one if it towers."""
    squares = off / off.max(1, keepdim=True).values.clamp(min=1e-300)
    squares = squares.square()
    return squares.sum(1).square() / squares.square().sum(1).clamp(min=1e-300)
