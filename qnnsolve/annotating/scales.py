"""Scales that the chip can multiply with, and the observers of weights that make such: :class:`Scaled`."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import PerBlockParamObserver
from executorch.backends.qualcomm.quantizer.observers.per_channel_param_observer import PerChannelParamObserver
from torchao.quantization.pt2e import MinMaxObserver

__all__ = ["HalvedObserver", "PerBlockObserver", "PerChannelObserver", "Scaled"]


UNSIGNED_16 = (0, 65535)


class _Smallest(Protocol):
    def smallest_scale(self) -> torch.Tensor: ...


class Scaled:
    """Raises a scale to the next one that the chip can multiply with; raised, not lowered, so that no value is cut off.

    ``accumulators`` each ask for a least scale. ``scale_bits`` is how many significant bits a scale may have; None: any
    number.
    """

    scale_bits: int | None = None
    accumulators: tuple[_Smallest, ...] = ()

    def __init__(self, scale_bits: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale_bits = scale_bits

    def bounded_by(self, accumulator: _Smallest) -> None:
        """Have no smaller scale than ``accumulator`` asks for, either."""
        self.accumulators = (*self.accumulators, accumulator)

    def _smallest_scale(self) -> torch.Tensor:
        """The least scale that the accumulators allow: one for all, or one per channel."""
        found = torch.zeros(1)
        for accumulator in self.accumulators:
            found = torch.maximum(found, accumulator.smallest_scale())
        return found

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        halved = bool((max_val.clamp(min=0.0) - min_val.clamp(max=0.0)).isinf().any() & min_val.isfinite().all())
        if halved:  # torchao computes in float32, where the range from -2e38 to 2e38 is infinite
            scale, zero_point = super()._calculate_qparams(min_val / 2, max_val / 2)  # type: ignore[misc]
            scale = scale * 2
        else:
            scale, zero_point = super()._calculate_qparams(min_val, max_val)  # type: ignore[misc]
        if self.qscheme == torch.per_tensor_symmetric and (self.quant_min, self.quant_max) == UNSIGNED_16:  # type: ignore[attr-defined]
            # torchao puts the zero point of int32, which unsigned 16 bits are held in, at 0: half the values would go.
            zero_point = torch.full_like(zero_point, 1 << 15)
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


class PerChannelObserver(Scaled, PerChannelParamObserver):  # type: ignore[misc]
    """The extremes of a weight's channels."""


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
