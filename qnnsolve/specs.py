"""Encoding -> torchao's quantization specs, with the observers that ExecuTorch's own presets use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

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

__all__ = ["SaturatingObserver", "bias_spec", "concrete_spec"]

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


class SaturatingObserver(MinMaxObserver):  # type: ignore[misc]  # torchao ships no types
    """A min-max observer that sees only what lies within ``low`` and ``high``.

    For a tensor that an activation will cut off: the quantizer saturates there instead.
    """

    def __init__(self, low: float, high: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.low, self.high = low, high

    def forward(self, x_orig: torch.Tensor) -> torch.Tensor:
        """Observe ``x_orig`` within the bounds; return it unchanged."""
        super().forward(x_orig.clamp(self.low, self.high))
        return x_orig


Bounds: TypeAlias = "tuple[float, float] | None"


def concrete_spec(
    encoding: Encoding, constant: bool, bounds: Bounds = None, at_least: float = 0.0
) -> QuantizationSpecBase:
    """A fresh spec for ``encoding``; ``constant`` tensors are observed exactly, others by moving average.

    With ``bounds``, only values between them count; the scale will be no smaller than ``at_least``.

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
        observer_or_fake_quant_ctr=_observer(encoding, constant, bounds, at_least),
        quant_min=encoding.quant_min,
        quant_max=encoding.quant_max,
        qscheme=qscheme,
        ch_axis=encoding.ch_axis,
    )


def _observer(encoding: Encoding, constant: bool, bounds: Bounds, at_least: float) -> Any:
    wide = encoding.dtype in (DType.UINT16, DType.INT16) or encoding.bits < 8
    eps = max(DEFAULT_EPS_16BIT if wide else DEFAULT_EPS_8BIT, at_least)
    match encoding.qscheme:
        case QScheme.PER_BLOCK_SYMMETRIC:
            return PerBlockParamObserver.with_args(eps=eps, **{QCOM_BLOCK_SIZE: encoding.block_size})
        case QScheme.PER_CHANNEL_SYMMETRIC:
            return PerChannelParamObserver.with_args(eps=eps)
        case _ if bounds is not None:
            return SaturatingObserver.with_args(low=bounds[0], high=bounds[1], eps=eps)
        case _:
            return MinMaxObserver.with_args(eps=eps)


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
