"""What each operator computes, in float64 on PyTorch: the emulator is held to these.

Every function takes the inputs in QNN's layout (channels last, weights HWIO) and the probe's case, whose parameters and
output shapes it reads, and returns the outputs. An absent optional input is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from qnnsolve.probe.specs import CaseSpec

__all__ = ["REFERENCES", "Inputs", "Reference"]

Inputs = Sequence[Tensor | None]
Reference = Callable[[Inputs, CaseSpec], tuple[Tensor, ...]]


def _given(inputs: Inputs, index: int) -> Tensor:
    found = inputs[index]
    assert found is not None, "the catalog asks for an absent input that this operator needs"
    return found


def _pointwise(function: Callable[..., Tensor]) -> Reference:
    def reference(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        return (function(*(_given(inputs, index) for index in range(len(inputs)))),)

    return reference


def _with(function: Callable[[Tensor, Mapping[str, Any]], Tensor]) -> Reference:
    """A reference of the first input and the parameters."""

    def reference(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        return (function(_given(inputs, 0), case.values),)

    return reference


def _first(x: Tensor) -> Tensor:
    """Channels first."""
    return x.movedim(-1, 1)


def _last(x: Tensor) -> Tensor:
    """Channels last."""
    return x.movedim(1, -1)


def _padded(x: Tensor, pads: Sequence[Sequence[int]], value: float = 0.0) -> Tensor:
    flat = [amount for pair in reversed(pads) for amount in pair]
    return functional.pad(x, flat, value=value)


def _conv(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, weight, params = _first(_given(inputs, 0)), _given(inputs, 1), case.values
    spatial = weight.dim() - 2
    convolve = functional.conv2d if spatial == 2 else functional.conv3d
    kernel = weight.permute(spatial + 1, spatial, *range(spatial))
    groups = params.get("group", kernel.shape[0] // kernel.shape[1] if "group" in params else x.shape[1])
    y = convolve(
        _padded(x, params["pad_amount"]),
        kernel,
        inputs[2],
        stride=params["stride"],
        dilation=params["dilation"],
        groups=groups,
    )
    return (_last(y),)


def _transpose_conv(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, weight, params = _first(_given(inputs, 0)), _given(inputs, 1), case.values
    spatial = weight.dim() - 2
    convolve = functional.conv_transpose2d if spatial == 2 else functional.conv_transpose3d
    groups = params.get("group", 1)
    kernel = weight.permute(spatial, spatial + 1, *range(spatial))
    pads = [pair[0] for pair in params["pad_amount"]]
    y = convolve(x, kernel, inputs[2], stride=params["stride"], padding=pads, groups=groups)
    return (_last(y),)


def _fully_connected(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    y = functional.linear(_given(inputs, 0), _given(inputs, 1), inputs[2])
    return (y.reshape(case.outputs[0].shape),)


def _matmul(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    left, right = _given(inputs, 0), _given(inputs, 1)
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
    y = y * _given(inputs, 1)
    return y if len(inputs) < 3 or inputs[2] is None else y + inputs[2]


def _layer_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_scaled(_normed(_given(inputs, 0), case.values["axes"], case.values["epsilon"]), inputs),)


def _instance_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x = _given(inputs, 0)
    return (_scaled(_normed(x, range(1, x.dim() - 1), 1e-12), inputs),)


def _group_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, params = _first(_given(inputs, 0)), case.values
    return (_scaled(_last(functional.group_norm(x, params["group"], eps=params["epsilon"])), inputs),)


def _rms_norm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, params = _given(inputs, 0), case.values
    mean = (x * x).mean(dim=tuple(params["axes"]), keepdim=True)
    return (_scaled(x / torch.sqrt(mean + params["epsilon"]), inputs),)


def _batchnorm(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_scaled(_given(inputs, 0), inputs),)


def _prelu(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, slope = _given(inputs, 0), _given(inputs, 1)
    return (torch.where(x > 0, x, x * slope),)


def _pool_max(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    padded = _padded(_first(x), params["pad_amount"], -math.inf)
    return _last(functional.max_pool2d(padded, params["filter_size"], params["stride"]))


def _pool_avg(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    pads = [pair[0] for pair in params["pad_amount"]]
    pool = functional.avg_pool2d if x.dim() == 4 else functional.avg_pool3d
    counted = bool(params.get("count_pad_for_edges", False))
    return _last(pool(_first(x), params["filter_size"], params["stride"], pads, count_include_pad=counted))


def _reduced(function: Callable[..., Tensor]) -> Reference:
    def compute(x: Tensor, params: Mapping[str, Any]) -> Tensor:
        made: Tensor = function(x, dim=tuple(params["axes"]), keepdim=bool(params["keep_dims"]))
        return made

    return _with(compute)


def _arg(function: Callable[..., Tensor]) -> Reference:
    return _with(lambda x, params: function(x, dim=params["axis"], keepdim=bool(params["keep_dims"])))


def _top_k(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return tuple(_given(inputs, 0).topk(case.values["k"], largest=bool(case.values["largest"])))


def _reshaped(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_given(inputs, 0).reshape(case.outputs[0].shape),)


def _slice(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    shrink, index = params.get("shrink_axes", 0), []
    for axis, (begin, end, stride) in enumerate(params["ranges"]):
        index.append(begin if shrink >> axis & 1 else slice(begin, end, stride))
    return x[tuple(index)]


_SCHEMES = {1: "reflect", 2: "reflect", 3: "replicate"}


def _pad(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    pads = params["pad_amount"]
    if params["scheme"] == 0:
        return _padded(x, pads, params.get("pad_constant_value", 0.0))
    for axis, (before, after) in enumerate(pads):
        size = x.shape[axis]
        places = torch.arange(-before, size + after)
        if params["scheme"] == 1:  # mirror with the edge repeated
            places = torch.where(places < 0, -1 - places, places)
            places = torch.where(places >= size, 2 * size - 1 - places, places)
        elif params["scheme"] == 2:
            places = torch.where(places < 0, -places, places)
            places = torch.where(places >= size, 2 * size - 2 - places, places)
        x = x.index_select(axis, places.clamp(0, size - 1))
    return x


def _gather(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index = _given(inputs, 0), _given(inputs, 1).long()
    axis = case.values["axis"]
    found = x.index_select(axis, index.reshape(-1))
    return (found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]),)


def _gather_nd(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index = _given(inputs, 0), _given(inputs, 1).long()
    if case.values.get("batch_dims", 0):
        return (torch.stack([x[b][tuple(index[b].movedim(-1, 0))] for b in range(x.shape[0])]),)
    return (x[tuple(index.movedim(-1, 0))],)


def _gather_elements(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_given(inputs, 0).gather(case.values["axis"], _given(inputs, 1).long()),)


_REDUCTIONS = {1: "sum", 2: "prod"}


def _scatter_elements(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index, update = _given(inputs, 0), _given(inputs, 1).long(), _given(inputs, 2)
    axis, reduction = case.values["axis"], _REDUCTIONS.get(case.values.get("reduction", 0))
    if reduction is None:
        return (x.scatter(axis, index, update),)
    return (x.scatter_reduce(axis, index, update, reduction),)


def _scatter_nd(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index, update = _given(inputs, 0).clone(), _given(inputs, 1).long(), _given(inputs, 2)
    x[tuple(index.movedim(-1, 0))] = update
    return (x,)


def _concat(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (torch.cat([_given(inputs, index) for index in range(len(inputs))], case.values["axis"]),)


def _pack(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (torch.stack([_given(inputs, index) for index in range(len(inputs))], case.values["axis"]),)


def _unpack(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return _given(inputs, 0).unbind(case.values["axis"])


def _split(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return _given(inputs, 0).tensor_split([int(at) for at in case.values["split_index"]], case.values["axis"])


def _depth_to_space(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    b, h, w, c = x.shape
    r = params["block_size"][0]
    if params.get("mode", 0) == 1:  # CRD, as PyTorch
        return _last(functional.pixel_shuffle(_first(x), r))
    return x.reshape(b, h, w, r, r, c // r // r).permute(0, 1, 3, 2, 4, 5).reshape(b, h * r, w * r, c // r // r)


def _space_to_depth(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    b, h, w, c = x.shape
    r = params["block_size"][0]
    if params.get("mode", 0) == 1:
        return _last(functional.pixel_unshuffle(_first(x), r))
    return x.reshape(b, h // r, r, w // r, r, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h // r, w // r, c * r * r)


def _shuffle(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    assert params["axis"] == x.dim() - 1
    return _last(functional.channel_shuffle(_first(x).contiguous(), params["num_groups"]))


def _resize(mode: str) -> Reference:
    def reference(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        x, size = _first(_given(inputs, 0)), case.outputs[0].shape[1:-1]
        if mode == "nearest":
            return (_last(functional.interpolate(x, size, mode="nearest")),)
        corners = bool(case.values.get("align_corners", False))
        return (_last(functional.interpolate(x, size, mode=mode, align_corners=corners)),)

    return reference


_GRID_MODES = {0: "bilinear", 1: "nearest"}
_GRID_PADS = {0: "zeros", 1: "border", 2: "reflection"}


def _grid_sample(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    params = case.values
    y = functional.grid_sample(
        _first(_given(inputs, 0)),
        _given(inputs, 1),
        _GRID_MODES[params["mode"]],
        _GRID_PADS[params["padding_mode"]],
        bool(params["align_corners"]),
    )
    return (_last(y),)


def _hadamard(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    matrix = torch.ones(1, 1, dtype=x.dtype)
    while matrix.shape[0] < x.shape[-1]:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)), 0)
    return x @ matrix * (float(params["scale"]) / math.sqrt(x.shape[-1]))


def _cumulative_sum(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    return x.cumsum(params["axis"])


def _identity(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (_given(inputs, 0),)


def _softplus(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    return functional.softplus(x, float(params.get("beta", 1.0)), float(params.get("threshold", 20.0)))


def _elu(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    return functional.elu(x, params.get("alpha", 1.0))


def _hard_sigmoid(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    return (x * float(params["alpha"]) + float(params["beta"])).clamp(0.0, 1.0)


_FAR = 5.0
"""Deviations from the mean beyond which normal numbers are not looked for."""


def _anything(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    """Numbers over the range of the random ones, which are held to no more than that."""
    params = case.values
    low, high = (params["low"], params["high"]) if "low" in params else (params["mean"] - _FAR, params["mean"] + _FAR)
    return tuple(
        torch.linspace(low, high, math.prod(port.shape), dtype=torch.float64).reshape(port.shape)
        for port in case.outputs
    )


_UNARY: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Asin": torch.asin,
    "Atan": torch.atan,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Rsqrt": torch.rsqrt,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "SquareRoot": torch.sqrt,
}
_BINARY: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Divide": torch.true_divide,
    "Equal": torch.eq,
    "FloorDiv": torch.floor_divide,
    "Fmod": torch.fmod,
    "Greater": torch.gt,
    "GreaterEqual": torch.ge,
    "Less": torch.lt,
    "LessEqual": torch.le,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Mod": torch.remainder,
    "Multiply": torch.mul,
    "NotEqual": torch.ne,
    "Or": torch.logical_or,
    "Power": torch.pow,
    "SquaredDifference": lambda a, b: (a - b) ** 2,
    "Subtract": torch.sub,
    "Xor": torch.logical_xor,
}
_NEURONS: dict[str, Reference] = {
    "elu": _with(_elu),
    "gelu": _pointwise(functional.gelu),
    "hardsigmoid": _with(_hard_sigmoid),
    "hardswish": _pointwise(functional.hardswish),
    "relu": _pointwise(torch.relu),
    "relu_min_max": _with(lambda x, params: x.clamp(params["min_value"], params["max_value"])),
    "sigmoid": _pointwise(torch.sigmoid),
    "softplus": _with(_softplus),
    "tanh": _pointwise(torch.tanh),
}

REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {f"ElementWise{name}": _pointwise(function) for name, function in (_UNARY | _BINARY).items()}
    | {f"ElementWiseUnary.{name}": _pointwise(function) for name, function in _UNARY.items()}
    | {f"ElementWiseBinary.{name}": _pointwise(function) for name, function in _BINARY.items()}
    | {f"ElementWiseNeuron.{name}": reference for name, reference in _NEURONS.items()}
    | {
        "ElementWiseBinary.floor_divide": _pointwise(torch.floor_divide),
        "Argmax": _arg(torch.argmax),
        "Argmin": _arg(torch.argmin),
        "Batchnorm": _batchnorm,
        "Cast": _identity,
        "ChannelShuffle": _with(_shuffle),
        "Concat": _concat,
        "Conv2d": _conv,
        "Conv3d": _conv,
        "Convert": _identity,
        "CumulativeSum": _with(_cumulative_sum),
        "DepthToSpace": _with(_depth_to_space),
        "DepthWiseConv2d": _conv,
        "Dequantize": _identity,
        "ElementWiseSelect": _pointwise(lambda mask, yes, no: torch.where(mask != 0, yes, no)),
        "Elu": _NEURONS["elu"],
        "ExpandDims": _reshaped,
        "FullyConnected": _fully_connected,
        "Gather": _gather,
        "GatherElements": _gather_elements,
        "GatherNd": _gather_nd,
        "Gelu": _NEURONS["gelu"],
        "GridSample": _grid_sample,
        "GroupNorm": _group_norm,
        "HadamardTransform": _with(_hadamard),
        "HardSwish": _NEURONS["hardswish"],
        "InstanceNorm": _instance_norm,
        "IsInf": _pointwise(torch.isinf),
        "IsNan": _pointwise(torch.isnan),
        "LayerNorm": _layer_norm,
        "LogSoftmax": _with(lambda x, params: torch.log_softmax(x, params["axis"])),
        "MatMul": _matmul,
        "Pack": _pack,
        "Pad": _with(_pad),
        "PoolAvg2d": _with(_pool_avg),
        "PoolAvg3d": _with(_pool_avg),
        "PoolMax2d": _with(_pool_max),
        "Prelu": _prelu,
        "Quantize": _identity,
        "RandomNormalLike": _anything,
        "RandomUniformLike": _anything,
        "ReduceMax": _reduced(torch.amax),
        "ReduceMean": _reduced(torch.mean),
        "ReduceMin": _reduced(torch.amin),
        "ReduceSum": _reduced(torch.sum),
        "Relu": _NEURONS["relu"],
        "ReluMinMax": _NEURONS["relu_min_max"],
        "Reshape": _reshaped,
        "Resize": _resize("bicubic"),
        "ResizeBilinear": _resize("bilinear"),
        "ResizeNearestNeighbor": _resize("nearest"),
        "RmsNorm": _rms_norm,
        "ScatterElements": _scatter_elements,
        "ScatterNd": _scatter_nd,
        "Sigmoid": _NEURONS["sigmoid"],
        "Softmax": _with(lambda x, params: torch.softmax(x, params["axis"])),
        "SpaceToDepth": _with(_space_to_depth),
        "Split": _split,
        "Squeeze": _reshaped,
        "StridedSlice": _with(_slice),
        "Tanh": _NEURONS["tanh"],
        "Tile": _with(lambda x, params: x.repeat(*params["multiples"])),
        "TopK": _top_k,
        "Transpose": _with(lambda x, params: x.permute(*params["perm"])),
        "TransposeConv2d": _transpose_conv,
        "TransposeConv3d": _transpose_conv,
        "UnPack": _unpack,
    }
)
"""By the name of the operator's table."""
