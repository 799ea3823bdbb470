"""Encoding -> torchao's quantization specs, with the observers that each needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from executorch.backends.qualcomm.quantizer.qconfig import _derived_bias_quant_spec
from executorch.backends.qualcomm.utils.constants import DEFAULT_EPS_16BIT, QCOM_BLOCK_SIZE
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.prepare import _create_obs_or_fq_from_qspec
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    FixedQParamsQuantizationSpec,
    QuantizationSpec,
    QuantizationSpecBase,
)

from qnnsolve.annotating.mask_observers import MaskObserver
from qnnsolve.annotating.observers import Bounds, TensorObserver
from qnnsolve.annotating.scales import HalvedObserver, PerBlockObserver, PerChannelObserver
from qnnsolve.encodings import DType, Encoding, QScheme

__all__ = ["bias_spec", "concrete_spec", "halved_spec", "made", "observer_of"]

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


def concrete_spec(
    encoding: Encoding,
    bounds: Bounds | None = None,
    floor: float = 0.0,
    multiplier_bits: int | None = None,
    picked: Callable[..., Any] | None = None,
) -> QuantizationSpecBase:
    """A spec for ``encoding``, observed by the extremes over all samples, or by the observer that is ``picked``.

    With ``bounds``, only the values that they name count; the scale (real units per step) is at least ``floor``. Where
    the backend multiplies with only ``multiplier_bits`` significant bits, scales are chosen so that these suffice: the
    scale of a weight or an 8-bit tensor has no more bits, and that of a 16-bit tensor is a power of two.
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
    # torchao puts the zero point at 127 where the range of uint8 is given, and at 128 where it is not.
    whole = encoding.dtype is DType.UINT8 and encoding.qscheme.is_symmetric
    low, high = (None, None) if whole else encoding.range
    return QuantizationSpec(
        dtype=dtype,
        observer_or_fake_quant_ctr=_observer(encoding, bounds, floor, multiplier_bits, picked),
        quant_min=low,
        quant_max=high,
        qscheme=qscheme,
        ch_axis=encoding.ch_axis,
    )


def observer_of(encoding: Encoding) -> Any:
    """A fresh observer that finds scale and zero point of ``encoding`` from the tensors that it is called with.

    A spec's own factory alone would not do: torchao tells it dtype and range only where it prepares a model.
    """
    return made(concrete_spec(encoding))


def made(spec: QuantizationSpecBase) -> Any:
    """The observer that torchao makes of ``spec`` where it prepares a model.

    Raises:
        NotImplementedError, TypeError: it cannot observe what the spec asks for.
    """
    return _create_obs_or_fq_from_qspec(spec, {}, False)


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


LEAST_SCALE = 1e-33
"""Real units per step, below which no scale lies. The chip has no floor down to signals of 1e-9 in 36 of 39 ops (HTP
emulator, QNN 2.51, V68 and V79: ``python -m benchmarks.small_signals``), and down to 1e-20 in 32 (V79, 16 bits, by
``x / 1e20`` before each), of which ten were tried down to 1e-28 on V68 and V79; the others are facts (``at_least``)."""


def _least_scale(encoding: Encoding) -> float:
    """A bias with a scale of its own has ExecuTorch's least scale, so that its largest value stays below 2**31
    steps."""
    return DEFAULT_EPS_16BIT if encoding.bits == 32 else LEAST_SCALE


def _observer(
    encoding: Encoding,
    bounds: Bounds | None,
    floor: float,
    multiplier_bits: int | None,
    picked: Callable[..., Any] | None,
) -> Any:
    wide = encoding.dtype in (DType.UINT16, DType.INT16)
    eps = max(_least_scale(encoding), floor)
    scale_bits = SCALE_BITS if wide and multiplier_bits is not None else multiplier_bits
    match encoding.qscheme:
        case QScheme.PER_BLOCK_SYMMETRIC:
            return PerBlockObserver.with_args(eps=eps, **{QCOM_BLOCK_SIZE: encoding.block_size})
        case QScheme.PER_CHANNEL_SYMMETRIC if picked is not None:
            return picked(bounded=False, eps=eps, scale_bits=scale_bits)
        case QScheme.PER_CHANNEL_SYMMETRIC:
            return PerChannelObserver.with_args(eps=eps, scale_bits=scale_bits)
        case _:
            masked = bounds is not None and bounds.mask is not None and bounds.softmax_dim is None
            if picked is not None and not masked:
                return picked(bounded=True, bounds=bounds, eps=eps, scale_bits=scale_bits)
            observer = MaskObserver if masked else TensorObserver
            return observer.with_args(bounds=bounds, eps=eps, scale_bits=scale_bits)


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
