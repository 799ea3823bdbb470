"""Signal and noise: how far outputs are from those of the float model, sample by sample."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from qnnsolve.results import Decibels

if TYPE_CHECKING:
    import torch

__all__ = ["Power", "finite_where_alike", "over_samples", "power", "sqnr_db"]


@attrs.frozen
class Power:
    """Of one output: the sum of its squares, and that of its squared errors. Another shape is infinite noise."""

    signal: float
    noise: float

    @property
    def sqnr_db(self) -> float:
        """``10 log10(signal / noise)``; infinite without noise, minus infinity without signal or where not finite."""
        if self.noise == 0:
            return math.inf
        if self.signal == 0 or not (math.isfinite(self.noise) and math.isfinite(self.signal)):
            return -math.inf
        return 10 * math.log10(self.signal / self.noise)


def power(got: torch.Tensor, original: torch.Tensor) -> Power:
    """The power of ``original``, and that of what ``got`` is off; the same infinity in both is neither."""
    if got.shape != original.shape:
        return Power(0.0, math.inf)
    got, original = finite_where_alike(got, original)
    signal = original.double()
    return Power(float(signal.square().sum()), float((got.double() - signal).square().sum()))


def finite_where_alike(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """``values`` with an ordinary number wherever all hold the same infinity, or all hold NaN: a model may return it.

    The number is the mean of what is finite in the last of them. Other shapes, and what is finite, stay as they are.
    """
    last = values[-1]
    if any(each.shape != last.shape for each in values) or bool(last.isfinite().all()):
        return values
    alike = ~last.isfinite()
    for each in values[:-1]:
        alike = alike & ((each == last) | (each.isnan() & last.isnan()))
    finite = last[last.isfinite()]
    number = float(finite.double().mean()) if finite.numel() else 0.0
    return tuple(each.masked_fill(alike, number) for each in values)


def sqnr_db(got: torch.Tensor, original: torch.Tensor) -> float:
    """Signal to quantization noise, ``10 log10(sum of squares / sum of squared errors)``; infinite without noise."""
    return power(got, original).sqnr_db


def over_samples(powers: Sequence[Power]) -> Decibels:
    """The figures of one output over samples, at least one."""
    each = [one.sqnr_db for one in powers]
    together = Power(sum(one.signal for one in powers), sum(one.noise for one in powers))
    median = statistics.median(each)
    return Decibels(
        together.sqnr_db, min(each), statistics.median_low(each) if math.isnan(median) else median, len(powers)
    )
