"""What convolutions, products, norms and pooling compute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from qnnsolve.probe.expected.tensors import (
    Computation,
    Inputs,
    channels_first,
    channels_last,
    given,
    of_first,
    padded_with,
)
from qnnsolve.probe.questions import CaseSpec

__all__ = ["PRODUCTS"]


def _conv(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, weight, params = channels_first(given(inputs, 0)), given(inputs, 1), case.values
    spatial = weight.dim() - 2
    convolve = functional.conv2d if spatial == 2 else functional.conv3d
    kernel = weight.permute(spatial + 1, spatial, *range(spatial))
    groups = params.get("group", kernel.shape[0] // kernel.shape[1] if "group" in params else x.shape[1])
    y = convolve(
        padded_with(x, params["pad_amount"]),
        kernel,
        inputs[2],
        stride=params["stride"],
        dilation=params["dilation"],
        groups=groups,
    )
    return (channels_last(y),)


def _transpose_conv(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, weight, params = channels_first(given(inputs, 0)), given(inputs, 1), case.values
    spatial = weight.dim() - 2
    convolve = functional.conv_transpose2d if spatial == 2 else functional.conv_transpose3d
    groups = params.get("group", 1)
    kernel = weight.permute(spatial, spatial + 1, *range(spatial))
    pads = [pair[0] for pair in params["pad_amount"]]
    added = params["output_padding"]
    y = convolve(x, kernel, inputs[2], stride=params["stride"], padding=pads, output_padding=added, groups=groups)
    return (channels_last(y),)


def _fully_connected(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    y = functional.linear(given(inputs, 0), given(inputs, 1), inputs[2])
    return (y.reshape(case.outputs[0].shape),)


def _matmul(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    left, right = given(inputs, 0), given(inputs, 1)
    left = left.mT if case.values.get("transpose_in0") else left
    right = right.mT if case.values.get("transpose_in1") else right
    y = left @ right
    bias = inputs[2] if len(inputs) > 2 else None
    return (y if bias is None else y + bias,)


def _normed(x: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    mean = x.mean(dim=tuple(axes), keepdim=True)
    variance = x.var(dim=tuple(axes), keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + epsilon)


def _scaled(y: Tensor, inputs: Inputs) -> Tensor:
    y = y * given(inputs, 1)
    return y if len(inputs) < 3 or inputs[2] is None else y + inputs[2]


def _layer_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_scaled(_normed(given(inputs, 0), case.values["axes"], case.values["epsilon"]), inputs),)


def _instance_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x = given(inputs, 0)
    return (_scaled(_normed(x, range(1, x.dim() - 1), 1e-12), inputs),)


def _group_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, params = channels_first(given(inputs, 0)), case.values
    return (_scaled(channels_last(functional.group_norm(x, params["group"], eps=params["epsilon"])), inputs),)


def _rms_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, params = given(inputs, 0), case.values
    mean = (x * x).mean(dim=tuple(params["axes"]), keepdim=True)
    return (_scaled(x / torch.sqrt(mean + params["epsilon"]), inputs),)


def _batchnorm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_scaled(given(inputs, 0), inputs),)


def _prelu(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, slope = given(inputs, 0), given(inputs, 1)
    return (torch.where(x > 0, x, x * slope),)


def _pool_max(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    padded = padded_with(channels_first(x), params["pad_amount"], -math.inf)
    over = bool(params.get("rounding_mode", 0))
    return channels_last(functional.max_pool2d(padded, params["filter_size"], params["stride"], ceil_mode=over))


def _pool_avg(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    pads = [pair[0] for pair in params["pad_amount"]]
    pool = functional.avg_pool2d if x.dim() == 4 else functional.avg_pool3d
    over, counted = bool(params.get("rounding_mode", 0)), bool(params.get("count_pad_for_edges", False))
    return channels_last(pool(channels_first(x), params["filter_size"], params["stride"], pads, over, counted))


def _hadamard(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    matrix = torch.ones(1, 1, dtype=x.dtype)
    while matrix.shape[0] < x.shape[-1]:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)), 0)
    return x @ matrix * (float(params["scale"]) / math.sqrt(x.shape[-1]))


PRODUCTS: Mapping[str, Computation] = MappingProxyType(
    {
        "Batchnorm": _batchnorm,
        "Conv2d": _conv,
        "Conv3d": _conv,
        "DepthWiseConv2d": _conv,
        "FullyConnected": _fully_connected,
        "GroupNorm": _group_norm,
        "HadamardTransform": of_first(_hadamard),
        "InstanceNorm": _instance_norm,
        "LayerNorm": _layer_norm,
        "MatMul": _matmul,
        "PoolAvg2d": of_first(_pool_avg),
        "PoolAvg3d": of_first(_pool_avg),
        "PoolMax2d": of_first(_pool_max),
        "Prelu": _prelu,
        "RmsNorm": _rms_norm,
        "TransposeConv2d": _transpose_conv,
        "TransposeConv3d": _transpose_conv,
    }
)
"""By the name of the operator's table."""
