"""What the quantizer looks at in calibration: observers that see every sample, and make scales that the chip holds."""

from __future__ import annotations

import math
from typing import Any, Protocol

import attrs
import torch
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import PerBlockParamObserver
from executorch.backends.qualcomm.quantizer.observers.per_channel_param_observer import PerChannelParamObserver
from torchao.quantization.pt2e import MinMaxObserver, ObserverBase

from qnnsolve.rewriting.infinities import MASK

__all__ = [
    "MASKED_FROM",
    "Bounds",
    "HalvedObserver",
    "MaskObserver",
    "PerBlockObserver",
    "PerChannelObserver",
    "Scaled",
    "TensorObserver",
    "Unobserved",
]


class _Smallest(Protocol):
    def smallest_scale(self) -> torch.Tensor: ...


class Scaled:
    """Raises scales to what the chip can multiply with, so that no value is cut off.

    That is at least what ``accumulators`` ask for, and ``scale_bits`` significant bits (None: any number).
    """

    scale_bits: int | None = None
    accumulators: tuple[_Smallest, ...] = ()

    def bounded_by(self, accumulator: _Smallest) -> None:
        """Have no smaller scale than ``accumulator`` asks for, either."""
        self.accumulators = (*self.accumulators, accumulator)

    def _smallest_scale(self) -> torch.Tensor:
        """Per channel, or of all."""
        found = torch.zeros(1)
        for accumulator in self.accumulators:
            found = torch.maximum(found, accumulator.smallest_scale())
        return found

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, zero_point = super()._calculate_qparams(min_val, max_val)  # type: ignore[misc]
        if self.scale_bits is None and not self.accumulators:
            return scale, zero_point
        scale = torch.maximum(scale, self._smallest_scale().to(scale))
        if self.scale_bits is not None:
            bits = torch.tensor(self.scale_bits, dtype=torch.int32)
            mantissa, exponent = torch.frexp(scale)
            scale = torch.ldexp(torch.ceil(torch.ldexp(mantissa, bits)), exponent - bits)
        if self.qscheme == torch.per_tensor_affine:  # type: ignore[attr-defined]
            low, high = self.quant_min, self.quant_max  # type: ignore[attr-defined]
            zero_point = (low - torch.round(min_val.clamp(max=0.0) / scale)).clamp(low, high).to(zero_point.dtype)
        return scale, zero_point


class TensorObserver(Scaled, MinMaxObserver):  # type: ignore[misc]  # torchao ships no types
    """The extremes over all calibration samples, of the values that count (:class:`Bounds`).

    Extremes rather than the moving average of ExecuTorch's presets: that one moves by 1 % per sample, so that it
    keeps the first sample's range, and cuts off whatever exceeds it later (ViT at 16 bits: 28 dB against 34 dB).
    """

    def __init__(self, bounds: Bounds | None = None, scale_bits: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.bounds, self.scale_bits = bounds, scale_bits

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe ``x_orig`` within the bounds; return it unchanged."""
        bounds = self.bounds or Bounds()
        super().forward(self._within(_bounded(x_orig.detach(), bounds.endless), bounds))
        return x_orig

    def _within(self, x: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        if bounds.softmax_dim is None:
            return x.clamp(bounds.low, bounds.high)
        largest = x.amax(bounds.softmax_dim, keepdim=True)
        reached = torch.maximum(x, largest - _SOFTMAX_REACH[self.quant_max - self.quant_min > 255])
        kept = reached[(largest > _MASKED).expand_as(x)]
        return kept if kept.numel() else x


class MaskObserver(TensorObserver):
    """Of a mask, or of the scores that it is added to: a mask is what reaches down to minus :data:`MASK`.

    What is masked counts as lying no further below all else than the scores are wide, and then as far as a softmax at
    8 bits looks.
    """

    lowest: torch.Tensor
    """The least value that is not masked, 0 at most."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.scores: list[Any] = []
        """The observers of what it is added to."""
        self.register_buffer("lowest", torch.tensor(0.0))

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe ``x_orig``; return it unchanged."""
        kept = x_orig.detach()[x_orig > _MASKED]
        if kept.numel():
            self.lowest = torch.minimum(self.lowest, kept.min().to(self.lowest))
        return super().forward(x_orig)

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.scores:
            width = max(_width(observer) for observer in self.scores)
            needed = torch.maximum(min_val, self.lowest - width - _SOFTMAX_REACH[False])
            min_val = torch.where(min_val <= -MASK, needed, min_val)
        return super()._calculate_qparams(min_val, max_val)


def _width(observer: Any) -> float:
    """How far apart values can be that are not masked."""
    if isinstance(observer, MaskObserver):
        return float((observer.max_val.clamp(min=0.0) - observer.lowest).item())
    scale, _ = observer.calculate_qparams()
    return float(scale.max()) * int(observer.quant_max - observer.quant_min)


def _bounded(x: torch.Tensor, endless: float) -> torch.Tensor:
    """``x`` with what is as good as infinite at plus or minus :data:`MASK`, as the model's own constants have it.

    It comes from a mask that is an input of the model."""
    beyond = x.abs() >= endless
    return torch.where(beyond, x.sign() * MASK, x) if bool(beyond.any()) else x


_ENDLESS = 1e30
"""No activation is as large. Masks written as the least float32 or bfloat16 are, and minus infinity."""
MASKED_FROM = 1000.0
"""No score is as large. Masks are: -1e4, -65504, -1e9. Steps of a 65,536th of those, brought to the scores' steps, are
more than the chip's sums hold (QNN 2.51: 1.5 % off with -65504 at 16 bits, 54 % with -1e9; 14 % with -1e4 at 8)."""
_SOFTMAX_REACH = {False: 12.0, True: 24.0}
"""How far below the largest of its row a softmax's input still counts, at 8 bits and above 8: exp(-12) and exp(-24) are
less than a six-hundredth of an output's step, so that a thousand masked places add no step."""
_MASKED = -MASK / 2
"""A row whose largest value lies below is masked whole, and says nothing of the scores."""


class PerChannelObserver(Scaled, PerChannelParamObserver):  # type: ignore[misc]
    """The extremes of a weight's channels."""

    def __init__(self, scale_bits: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale_bits = scale_bits


class PerBlockObserver(Scaled, PerBlockParamObserver):  # type: ignore[misc]
    """The extremes of a weight's blocks. A channel's scale is a 16th of its largest block's."""

    ch_axis = 0

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale (real units per step) and zero point of each block; those of a channel keep their ratios."""
        scale, zero_point = super().calculate_qparams()
        channels = scale.reshape(scale.shape[0], -1).amax(1) / self.num_steps
        raised = torch.maximum(self._smallest_scale().to(scale) / channels, torch.ones_like(channels))
        return scale * raised.reshape(-1, *[1] * (scale.dim() - 1)), zero_point


class HalvedObserver(MinMaxObserver):  # type: ignore[misc]
    """A fixed scale (real units per step) and zero point, halved up to ``halvings`` times as the values allow.

    The largest may lie one step beyond the range: 1.0 counts as 255 steps of 1/256.
    """

    def __init__(self, fixed_scale: float, zero_point: int, halvings: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.fixed_scale, self.zero_point, self.halvings = fixed_scale, zero_point, halvings

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, zero_point = super()._calculate_qparams(min_val, max_val)
        reach = self.fixed_scale * (self.quant_max + 1 - self.zero_point)
        room = torch.log2(reach / max_val.clamp(min=torch.finfo(max_val.dtype).tiny))
        halved = torch.where(torch.isfinite(max_val), room.floor().clamp(0, self.halvings), 0.0)
        return self.fixed_scale * torch.exp2(-halved), torch.full_like(zero_point, self.zero_point)


@attrs.frozen
class Bounds:
    """Which values of a tensor count for its range; at the others the quantizer saturates without harm.

    Those between ``low`` and ``high``, where an activation cuts off the rest. Or, with ``softmax_dim``, those from
    which a softmax along it makes more than nothing: a mask needs no more of the range than that. Those of ``endless``
    or more, either way, count as :data:`MASK`.
    """

    low: float = -math.inf
    high: float = math.inf
    softmax_dim: int | None = None
    endless: float = _ENDLESS


class Unobserved(ObserverBase):  # type: ignore[misc]  # torchao ships no types
    """Has the encoding that ``observer`` finds elsewhere, and looks at nothing itself."""

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
