"""The observer of what can hold a mask, and the way from there to a softmax."""

from __future__ import annotations

import math
from typing import Any

import attrs
import torch

from qnnsolve.annotating.observers import SOFTMAX_REACH, TensorObserver
from qnnsolve.rewriting.masked_values import ENDLESS

__all__ = ["MaskObserver", "Way"]


class MaskObserver(TensorObserver):
    """The observer of a tensor that can hold a mask, and that only a softmax or the like reads.

    Masked values must lie so far below all others that a softmax makes nothing of them, and no farther: a wider range
    has coarser steps. That is by the width of the scores that the mask is added to, and then by the reach of a softmax.
    Below that the quantizer saturates. See :mod:`qnnsolve.rewriting.masking`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ways: list[Way] = []
        """What lies between it and each softmax."""
        self.product: Any = None
        """Where it is a factor that makes a mask of ones and zeros: the observer of what comes out."""

    def _within(self, x: torch.Tensor) -> torch.Tensor:
        assert self.bounds.mask is not None
        values = x * self.bounds.sign
        limit, alone = self.low.split(values, self.bounds.mask)
        return self._held(x, values > limit, alone).clamp(self.bounds.low, self.bounds.high)

    def hides(self) -> bool:
        """Whether something is masked."""
        apart, alone = (least <= largest for least, largest in (self.low.apart, self.low.alone))
        return self.masks() and (self.low.outermost < -ENDLESS or apart or (alone and self.low.beside))

    def width(self) -> float:
        """The distance between the largest and the smallest value that is not masked (zero included)."""
        low, high = self.counted(self.min_val, self.max_val)
        return float((high.clamp(min=0.0) - low.clamp(max=0.0)).item())

    def counted(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The extremes of what counts, within the bounds."""
        low, high = super().counted(min_val, max_val)
        return low.clamp(min=self.bounds.low), high.clamp(max=self.bounds.high)

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        min_val, max_val = self.counted(min_val, max_val)
        if self.hides():
            reach = SOFTMAX_REACH[self.quant_max - self.quant_min > 255]
            below = max((way.reach(reach) for way in self.ways), default=reach)
            if isinstance(self.product, MaskObserver) and not self.product.hides():
                below = math.inf
            lowest = -max_val if self.bounds.sign < 0 else min_val
            end = self.bounds.low if self.bounds.sign > 0 else -self.bounds.high
            lowest = (lowest.clamp(max=0.0) - below).clamp(min=max(self.low.outermost, end))
            min_val, max_val = (lowest, max_val) if self.bounds.sign > 0 else (min_val, -lowest)
        return super()._calculate_qparams(min_val, max_val)


@attrs.frozen(eq=False)
class Way:
    """The way from a mask to a softmax: what is added to the mask there, and by what it is multiplied in all.

    ``met`` has an entry per place where the mask is added to, or joined with, other tensors: their observers, and the
    factor by which the mask is multiplied up to there.
    """

    met: tuple[tuple[tuple[Any, ...], float], ...] = ()
    factor: float = 1.0

    def behind(self, observers: tuple[Any, ...]) -> Way:
        """The same way from one place earlier, where the mask is added to what ``observers`` see."""
        return Way(((observers, 1.0), *self.met), self.factor) if observers else self

    def times(self, factor: float) -> Way:
        """The same way from one place earlier, where the mask is multiplied by ``factor``."""
        return Way(tuple((each, by * factor) for each, by in self.met), self.factor * factor)

    def reach(self, reach: float) -> float:
        """How far below the values that are not masked a mask must lie; a softmax ignores what lies ``reach`` below
        its largest value."""
        return sum(max(map(_width, each)) / by for each, by in self.met) + reach / self.factor


def _width(observer: Any) -> float:
    if isinstance(observer, MaskObserver):
        return observer.width()
    scale, _ = observer.calculate_qparams()
    return float(scale.max()) * int(observer.quant_max - observer.quant_min)
