"""Observers of activations: they see every calibration sample, and leave out what needs no range."""

from __future__ import annotations

import math
from typing import Any

import attrs
import torch
from torchao.quantization.pt2e import MinMaxObserver, ObserverBase

from qnnsolve.annotating.scales import Scaled
from qnnsolve.rewriting.masked_values import masked_from

__all__ = ["Bounded", "Bounds", "MaskObserver", "TensorObserver", "Unobserved", "Way"]


class Bounded(Scaled):
    """Shows an observer the values that count (:class:`Bounds`), and none that is infinite."""

    infinite: torch.Tensor
    """How many values were infinite where no mask is; they take no range."""

    def __init__(self, bounds: Bounds | None = None, scale_bits: int | None = None, **settings: Any) -> None:
        super().__init__(scale_bits, **settings)
        self.bounds = bounds or Bounds()
        self.register_buffer("infinite", torch.tensor(0))  # type: ignore[attr-defined]

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe ``x_orig`` within the bounds; return it unchanged."""
        kept = self._finite(self._within(x_orig.detach()))
        if kept.numel():
            super().forward(kept)  # type: ignore[misc]
        return x_orig

    def _finite(self, x: torch.Tensor) -> torch.Tensor:
        finite = x.isfinite()
        if bool(finite.all()):
            return x
        self.infinite += (~finite).sum()
        return x[finite]

    def _within(self, x: torch.Tensor) -> torch.Tensor:
        bounds = self.bounds
        if bounds.softmax_dim is None:
            return x.clamp(bounds.low, bounds.high)
        largest = x.amax(bounds.softmax_dim, keepdim=True)
        reached = torch.maximum(x, largest - _SOFTMAX_REACH[self.quant_max - self.quant_min > 255])  # type: ignore[attr-defined]
        if bounds.mask is None:
            return reached
        masked = masked_from(x, bounds.mask) if bool((largest <= -bounds.mask).any()) else -math.inf
        kept = reached[(largest > masked).expand_as(x)]
        return kept if kept.numel() else x.new_zeros(1)


class TensorObserver(Bounded, MinMaxObserver):  # type: ignore[misc]  # torchao ships no types
    """The extremes over all calibration samples, of the values that count.

    Extremes, and not the moving average of ExecuTorch's presets. That average moves by 1 % per sample: it keeps nearly
    the range of the first sample, and cuts off what exceeds it later (ViT at 16 bits: 28 dB against 34 dB).
    """


class MaskObserver(TensorObserver):
    """The observer of a tensor that can hold a mask, and that only a softmax or the like reads.

    Masked values must lie so far below all others that a softmax makes nothing of them, and no farther: a wider range
    has coarser steps. That is by the width of the scores that the mask is added to, and then by the reach of a softmax.
    Below that the quantizer saturates. See :mod:`qnnsolve.rewriting.masking`.
    """

    hides: torch.Tensor
    """Whether anything was masked."""
    outermost: torch.Tensor
    """The value farthest out that was, as low (or, where ``bounds.sign`` is -1, as high) as it is."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.ways: list[Way] = []
        """What lies between it and each softmax."""
        self.product: Any = None
        """Where it is a factor that makes a mask of ones and zeros: the observer of what comes out."""
        self.register_buffer("hides", torch.tensor(False))
        self.register_buffer("outermost", torch.tensor(0.0))

    def _within(self, x: torch.Tensor) -> torch.Tensor:
        assert self.bounds.mask is not None
        values = x * self.bounds.sign
        masked = masked_from(values, self.bounds.mask)
        if masked == -math.inf:
            return x.clamp(self.bounds.low, self.bounds.high)
        self.hides = torch.tensor(True)
        self.outermost = torch.minimum(self.outermost, values.min().to(self.outermost))
        kept = x[values > masked].clamp(self.bounds.low, self.bounds.high)
        return kept if kept.numel() else x.new_zeros(1)

    def width(self) -> float:
        """The distance between the largest and the smallest value that is not masked (zero included)."""
        return float((self.max_val.clamp(min=0.0) - self.min_val.clamp(max=0.0)).item())

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if bool(self.hides):
            reach = _SOFTMAX_REACH[self.quant_max - self.quant_min > 255]
            below = max((way.reach(reach) for way in self.ways), default=reach)
            if isinstance(self.product, MaskObserver) and not bool(self.product.hides):
                below = math.inf
            lowest = -max_val if self.bounds.sign < 0 else min_val
            end = self.bounds.low if self.bounds.sign > 0 else -self.bounds.high
            lowest = torch.maximum(lowest.clamp(max=0.0) - below, self.outermost.clamp(min=end))
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


_SOFTMAX_REACH = {False: 12.0, True: 24.0}
"""How far below the largest of its row a softmax's input still counts, at 8 bits and above 8: exp(-12) and exp(-24) are
less than a six-hundredth of an output's step, so that a thousand masked places add no step."""


@attrs.frozen
class Bounds:
    """Which values of a tensor count for its range. The quantizer may saturate at all others.

    ``low`` and ``high``: an activation behind it cuts off what lies outside. ``softmax_dim``: a softmax along this
    dimension reads it, and makes nothing of values far below the largest. ``mask``: a mask can be in it, at least so
    far from zero; its values do not count. ``sign``: 1 where masked values are low, -1 where they are high.
    """

    low: float = -math.inf
    high: float = math.inf
    softmax_dim: int | None = None
    mask: float | None = None
    sign: int = 1


class Unobserved(ObserverBase):  # type: ignore[misc]  # torchao ships no types
    """Stands where ``observer``, which watches another tensor, decides the encoding. It watches nothing itself."""

    def __init__(self, observer: Any) -> None:
        super().__init__(dtype=observer.dtype)
        self.observer = observer
        self.qscheme, self.quant_min, self.quant_max = observer.qscheme, observer.quant_min, observer.quant_max

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x``."""
        return x

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale (real units per step) and zero point of the other observer."""
        found: tuple[torch.Tensor, torch.Tensor] = self.observer.calculate_qparams()
        return found
