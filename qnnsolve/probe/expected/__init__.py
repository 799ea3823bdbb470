"""What each operator computes, in float64 on PyTorch: the emulator is held to these.

Every function takes the inputs in QNN's layout (channels last, weights HWIO) and the probe's case, whose parameters and
output shapes it reads, and returns the outputs. An absent optional input is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from qnnsolve.probe.expected.moves import MOVES
from qnnsolve.probe.expected.products import PRODUCTS
from qnnsolve.probe.expected.tensors import (
    Computation,
    Inputs,
    channels_first,
    channels_last,
    given,
    of_first,
    pointwise,
)
from qnnsolve.probe.questions import CaseSpec

__all__ = ["EXPECTED"]


def _reduced(function: Callable[..., Tensor]) -> Computation:
    def compute(x: Tensor, params: Mapping[str, Any]) -> Tensor:
        made: Tensor = function(x, dim=tuple(params["axes"]), keepdim=bool(params["keep_dims"]))
        return made

    return of_first(compute)


def _arg(function: Callable[..., Tensor]) -> Computation:
    return of_first(lambda x, params: function(x, dim=params["axis"], keepdim=bool(params["keep_dims"])))


def _top_k(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return tuple(given(inputs, 0).topk(case.values["k"], largest=bool(case.values["largest"])))


def _resize(mode: str) -> Computation:
    def compute(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        x, size = channels_first(given(inputs, 0)), case.outputs[0].shape[1:-1]
        if mode == "nearest":
            return (channels_last(functional.interpolate(x, size, mode="nearest")),)
        corners = bool(case.values.get("align_corners", False))
        return (channels_last(functional.interpolate(x, size, mode=mode, align_corners=corners)),)

    return compute


_GRID_MODES = {0: "bilinear", 1: "nearest"}
_GRID_PADS = {0: "zeros", 1: "border", 2: "reflection"}


def _grid_sample(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    params = case.values
    y = functional.grid_sample(
        channels_first(given(inputs, 0)),
        given(inputs, 1),
        _GRID_MODES[params["mode"]],
        _GRID_PADS[params["padding_mode"]],
        bool(params["align_corners"]),
    )
    return (channels_last(y),)


def _cumulative_sum(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    return x.cumsum(params["axis"])


def _identity(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (given(inputs, 0),)


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
_NEURONS: dict[str, Computation] = {
    "elu": of_first(_elu),
    "gelu": pointwise(functional.gelu),
    "hardsigmoid": of_first(_hard_sigmoid),
    "hardswish": pointwise(functional.hardswish),
    "relu": pointwise(torch.relu),
    "relu_min_max": of_first(lambda x, params: x.clamp(params["min_value"], params["max_value"])),
    "sigmoid": pointwise(torch.sigmoid),
    "softplus": of_first(_softplus),
    "tanh": pointwise(torch.tanh),
}

EXPECTED: Mapping[str, Computation] = MappingProxyType(
    {f"ElementWise{name}": pointwise(function) for name, function in (_UNARY | _BINARY).items()}
    | {f"ElementWiseUnary.{name}": pointwise(function) for name, function in _UNARY.items()}
    | {f"ElementWiseBinary.{name}": pointwise(function) for name, function in _BINARY.items()}
    | {f"ElementWiseNeuron.{name}": compute for name, compute in _NEURONS.items()}
    | {
        "ElementWiseBinary.floor_divide": pointwise(torch.floor_divide),
        "Argmax": _arg(torch.argmax),
        "Argmin": _arg(torch.argmin),
        "Cast": _identity,
        "Convert": _identity,
        "CumulativeSum": of_first(_cumulative_sum),
        "Dequantize": _identity,
        "ElementWiseSelect": pointwise(lambda mask, yes, no: torch.where(mask != 0, yes, no)),
        "Elu": _NEURONS["elu"],
        "Gelu": _NEURONS["gelu"],
        "GridSample": _grid_sample,
        "HardSwish": _NEURONS["hardswish"],
        "IsInf": pointwise(torch.isinf),
        "IsNan": pointwise(torch.isnan),
        "LogSoftmax": of_first(lambda x, params: torch.log_softmax(x, params["axis"])),
        "Quantize": _identity,
        "RandomNormalLike": _anything,
        "RandomUniformLike": _anything,
        "ReduceMax": _reduced(torch.amax),
        "ReduceMean": _reduced(torch.mean),
        "ReduceMin": _reduced(torch.amin),
        "ReduceSum": _reduced(torch.sum),
        "Relu": _NEURONS["relu"],
        "ReluMinMax": _NEURONS["relu_min_max"],
        "Resize": _resize("bicubic"),
        "ResizeBilinear": _resize("bilinear"),
        "ResizeNearestNeighbor": _resize("nearest"),
        "Sigmoid": _NEURONS["sigmoid"],
        "Softmax": of_first(lambda x, params: torch.softmax(x, params["axis"])),
        "Tanh": _NEURONS["tanh"],
        "Tile": of_first(lambda x, params: x.repeat(*params["multiples"])),
        "TopK": _top_k,
        "Transpose": of_first(lambda x, params: x.permute(*params["perm"])),
    }
    | dict(PRODUCTS)
    | dict(MOVES)
)
"""By the name of the operator's table."""
