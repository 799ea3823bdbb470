"""Observers of activations: they see every calibration sample, and leave out what needs no range."""

from __future__ import annotations

import math
from typing import Any

import attrs
import torch
from torchao.quantization.pt2e import MinMaxObserver, ObserverBase

from qnnsolve.annotating.low_values import LowValues
from qnnsolve.annotating.scales import Scaled

__all__ = ["SOFTMAX_REACH", "Bounded", "Bounds", "TensorObserver", "Unobserved"]


class Bounded(Scaled):
    """Shows an observer the values that count (:class:`Bounds`), and none that is infinite.

    What a mask hides does not count. What is low may be a mask's, or what the model computes: that is known once all
    samples were seen, and until then it is kept apart.
    """

    infinite: torch.Tensor
    """How many values were infinite where no mask is; they take no range."""

    def __init__(self, bounds: Bounds | None = None, scale_bits: int | None = None, **settings: Any) -> None:
        super().__init__(scale_bits, **settings)
        self.bounds = bounds or Bounds()
        self.low = LowValues()
        self.fed: list[Bounded] | None = None
        """The observers of the model's inputs that alone can bring a mask here; None where the model writes one."""
        self.register_buffer("infinite", torch.tensor(0))  # type: ignore[attr-defined]

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe ``x_orig`` within the bounds; return it unchanged."""
        kept = self._finite(self._within(x_orig.detach()))
        if kept.numel():
            super().forward(kept)  # type: ignore[misc]
        return x_orig

    def masks(self) -> bool:
        """Whether there is a mask, as far as the samples so far tell."""
        return self.fed is None or any(each.low.written() for each in self.fed)

    def counted(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The extremes of what counts: ``min_val`` and ``max_val``, and those of what is low and no mask hides."""
        masks = self.masks()
        for least, largest in (*[self.low.apart] * (not masks), *[self.low.alone] * (not (masks and self.low.beside))):
            if least <= largest:
                low, high = sorted((least * self.bounds.sign, largest * self.bounds.sign))
                min_val, max_val = min_val.clamp(max=low), max_val.clamp(min=high)
        return min_val, max_val

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super()._calculate_qparams(*self.counted(min_val, max_val))

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
        reached = torch.maximum(x, largest - SOFTMAX_REACH[self.quant_max - self.quant_min > 255])  # type: ignore[attr-defined]
        if bounds.mask is None:
            return reached
        low_rows = bool((largest <= -bounds.mask).any())
        limit, alone = self.low.split(x, bounds.mask) if low_rows else (-math.inf, False)
        self.low.beside = self.low.beside or not low_rows
        counts = (largest > limit).expand_as(x)
        return self._held(reached, counts, alone)

    def _held(self, values: torch.Tensor, counts: torch.Tensor, alone: bool) -> torch.Tensor:
        """Those of ``values`` that count, a zero of a sample that is low all over (``alone``); keeps the rest apart."""
        self.low.hold(values[~counts] * self.bounds.sign, alone=False)
        kept = values[counts]
        if alone:
            self.low.hold(kept * self.bounds.sign, alone=True)
        return kept if kept.numel() and not alone else values.new_zeros(1)


class TensorObserver(Bounded, MinMaxObserver):  # type: ignore[misc]  # torchao ships no types
    """The extremes over all calibration samples, of the values that count.

    Extremes, and not the moving average of ExecuTorch's presets. That average moves by 1 % per sample: it keeps nearly
    the range of the first sample, and cuts off what exceeds it later (ViT at 16 bits: 28 dB against 34 dB).
    """


SOFTMAX_REACH = {False: 12.0, True: 24.0}
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
