"""Encoding -> torchao's quantization specs, with observers that see every calibration sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import attrs
import torch
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import PerBlockParamObserver
from executorch.backends.qualcomm.quantizer.observers.per_channel_param_observer import PerChannelParamObserver
from executorch.backends.qualcomm.quantizer.qconfig import _derived_bias_quant_spec
from executorch.backends.qualcomm.utils.constants import DEFAULT_EPS_8BIT, DEFAULT_EPS_16BIT, QCOM_BLOCK_SIZE
from torch.fx import Node as FxNode
from torchao.quantization.pt2e import MinMaxObserver
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    FixedQParamsQuantizationSpec,
    QuantizationSpec,
    QuantizationSpecBase,
)

from qnnsolve.encodings import DType, Encoding, QScheme
from qnnsolve.rewriting.infinities import MASK

__all__ = [
    "MASKED_FROM",
    "Bounds",
    "PerChannelObserver",
    "Scaled",
    "TensorObserver",
    "bias_spec",
    "concrete_spec",
    "halved_spec",
]

_TORCH_DTYPE = {
    DType.UINT8: torch.uint8,
    DType.INT8: torch.int8,
    DType.UINT16: torch.int32,  # torch cannot observe uint16: ExecuTorch writes int32 with range 0..65535
    DType.INT16: torch.int16,
    DType.INT32: torch.int32,
}
_TORCH_QSCHEME = {
    QScheme.PER_TENSOR_AFFINE: torch.per_tensor_affine,
    QScheme.PER_TENSOR_SYMMETRIC: torch.per_tensor_symmetric,
    QScheme.PER_CHANNEL_SYMMETRIC: torch.per_channel_symmetric,
    QScheme.PER_BLOCK_SYMMETRIC: torch.per_channel_symmetric,
}


SCALE_BITS = 1
"""Significant bits of a 16-bit tensor's scale where multipliers are narrow: a power of two, so that the ratio of an
input's scale and an output's is exact whatever the two are. It costs at most one of the sixteen bits."""


class _Smallest(Protocol):
    def smallest_scale(self) -> torch.Tensor: ...


class Scaled:
    """Raises scales to what the chip can multiply with, so that no value is cut off.

    That is at least what ``accumulator`` asks for, and ``scale_bits`` significant bits (None: any number).
    """

    scale_bits: int | None
    accumulator: _Smallest | None = None

    def _calculate_qparams(self, min_val: torch.Tensor, max_val: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, zero_point = super()._calculate_qparams(min_val, max_val)  # type: ignore[misc]
        if self.scale_bits is None and self.accumulator is None:
            return scale, zero_point
        if self.accumulator is not None:
            scale = torch.maximum(scale, self.accumulator.smallest_scale().to(scale))
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


def concrete_spec(
    encoding: Encoding, bounds: Bounds | None = None, floor: float = 0.0, multiplier_bits: int | None = None
) -> QuantizationSpecBase:
    """A fresh spec for ``encoding``, observed by the extremes over all samples.

    With ``bounds``, only the values that they name count; the scale (real units per step) is at least ``floor``. Where
    the backend multiplies with ``multiplier_bits`` significant bits only, scales are such that those suffice: no
    more bits in the scale of a weight or of an 8-bit tensor, and a power of two for 16-bit ones.

    Fresh, because upstream's annotators change specs that they share.
    """
    dtype, qscheme = _TORCH_DTYPE[encoding.dtype], _TORCH_QSCHEME[encoding.qscheme]
    if encoding.scale is not None and encoding.zero_point is not None:
        return FixedQParamsQuantizationSpec(
            dtype=dtype,
            scale=encoding.scale,
            zero_point=encoding.zero_point,
            quant_min=encoding.quant_min,
            quant_max=encoding.quant_max,
            qscheme=qscheme,
        )
    return QuantizationSpec(
        dtype=dtype,
        observer_or_fake_quant_ctr=_observer(encoding, bounds, floor, multiplier_bits),
        quant_min=encoding.quant_min,
        quant_max=encoding.quant_max,
        qscheme=qscheme,
        ch_axis=encoding.ch_axis,
    )


def halved_spec(encoding: Encoding, halvings: int) -> QuantizationSpec:
    """A spec for ``encoding``, whose fixed scale is halved up to ``halvings`` times where the observed values allow."""
    return QuantizationSpec(
        dtype=_TORCH_DTYPE[encoding.dtype],
        observer_or_fake_quant_ctr=HalvedObserver.with_args(
            fixed_scale=encoding.scale, zero_point=encoding.zero_point, halvings=halvings
        ),
        quant_min=encoding.quant_min,
        quant_max=encoding.quant_max,
        qscheme=_TORCH_QSCHEME[encoding.qscheme],
    )


def _observer(encoding: Encoding, bounds: Bounds | None, floor: float, multiplier_bits: int | None) -> Any:
    wide = encoding.dtype in (DType.UINT16, DType.INT16)
    eps = max(DEFAULT_EPS_16BIT if wide or encoding.bits < 8 else DEFAULT_EPS_8BIT, floor)
    scale_bits = SCALE_BITS if wide and multiplier_bits is not None else multiplier_bits
    match encoding.qscheme:
        case QScheme.PER_BLOCK_SYMMETRIC:
            return PerBlockParamObserver.with_args(eps=eps, **{QCOM_BLOCK_SIZE: encoding.block_size})
        case QScheme.PER_CHANNEL_SYMMETRIC:
            return PerChannelObserver.with_args(eps=eps, scale_bits=scale_bits)
        case _:
            return TensorObserver.with_args(bounds=bounds, eps=eps, scale_bits=scale_bits)


def bias_spec(node: FxNode, encoding: Encoding) -> DerivedQuantizationSpec:
    """The int32 spec of a bias: scale = input scale x weight scale.

    ``node`` has input, weight and bias as its first three arguments.
    """
    derived: DerivedQuantizationSpec = _derived_bias_quant_spec(node)
    if encoding.qscheme is QScheme.PER_CHANNEL_SYMMETRIC:
        return derived
    return DerivedQuantizationSpec(
        derived_from=derived.derived_from,
        derive_qparams_fn=_single(derived.derive_qparams_fn),
        dtype=derived.dtype,
        quant_min=derived.quant_min,
        quant_max=derived.quant_max,
        qscheme=torch.per_tensor_symmetric,
    )


_Derivation = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def _single(derive: _Derivation) -> _Derivation:
    """Per-tensor parameters out of ExecuTorch's derivation, which answers one per channel."""

    def derived(observers: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        scale, zero_point = derive(observers)
        return scale.reshape(-1)[:1], zero_point.reshape(-1)[:1]

    return derived
