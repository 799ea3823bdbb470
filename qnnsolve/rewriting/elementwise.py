"""Functions of single elements, written as ops that ExecuTorch can build: :data:`ELEMENTWISE`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["ELEMENTWISE"]

aten = torch.ops.aten

_SELU = (1.6732632423543772, 1.0507009873554805)
"""Alpha and scale of SELU, as torch has them."""
_GARBLED_ROWS = 16


def _softplus_of(emit: Emitter, x: Any) -> FxNode:
    """``relu(x) + log1p(exp(-|x|))``: no part is larger than its result has to be."""
    small = emit(aten.exp.default, emit(aten.neg.default, emit(aten.abs.default, x)))
    return emit(aten.add.Tensor, emit(aten.relu.default, x), emit(aten.log1p.default, small))


def _softplus(emit: Emitter, node: FxNode) -> FxNode | None:
    usual = (argument(node, 1, "beta", 1), argument(node, 2, "threshold", 20)) == (1, 20)
    return _softplus_of(emit, node.args[0]) if usual else None


def _tanh(emit: Emitter, node: FxNode) -> FxNode | None:
    """Of 16 rows as of one row.

    At 16 bits it is garbage where the tensor is one matrix of 16 rows that a sum, a quotient, a product of matrices or
    a concatenation yields (HTP emulator, QNN 2.51, V68 and V79; ``python -m benchmarks.sixteen_rows SM8350 SM8750``).
    """
    sizes = list(node.meta["val"].shape)
    if sizes[-2:-1] != [_GARBLED_ROWS] or math.prod(sizes[:-2]) != 1:
        return None
    row = emit(aten.reshape.default, node.args[0], [1, math.prod(sizes)])
    return emit(aten.reshape.default, emit(node.target, row), sizes)


def _log_sigmoid(emit: Emitter, node: FxNode) -> FxNode:
    return emit(aten.neg.default, _softplus_of(emit, emit(aten.neg.default, node.args[0])))


def _selu(emit: Emitter, node: FxNode) -> FxNode:
    return emit(aten.mul.Tensor, emit(aten.elu.default, node.args[0], _SELU[0]), _SELU[1])


def _elu(emit: Emitter, node: FxNode) -> FxNode | None:
    """The outer scale by itself, which ExecuTorch's builder drops."""
    scale = argument(node, 2, "scale", 1)
    if scale == 1 or argument(node, 3, "input_scale", 1) != 1:
        return None
    return emit(aten.mul.Tensor, emit(aten.elu.default, node.args[0], argument(node, 1, "alpha", 1)), scale)


def _clamp(emit: Emitter, node: FxNode) -> FxNode | None:
    low, high = argument(node, 1, "min"), argument(node, 2, "max")
    raised = node.args[0] if low is None else emit(aten.maximum.default, node.args[0], low)
    return raised if high is None else emit(aten.minimum.default, raised, high)  # type: ignore[return-value]


def _round(emit: Emitter, node: FxNode) -> FxNode:
    factor = float(10 ** argument(node, 1, "decimals", 0))
    rounded = emit(aten.round.default, emit(aten.mul.Tensor, node.args[0], factor))
    return emit(aten.div.Tensor, rounded, factor)


def _fmod(emit: Emitter, node: FxNode) -> FxNode | None:
    if not node.meta["val"].is_floating_point():
        return None
    whole = emit(aten.trunc.default, emit(aten.div.Tensor, *node.args))
    return emit(aten.sub.Tensor, node.args[0], emit(aten.mul.Tensor, whole, node.args[1]))


def _log_add_exp(emit: Emitter, node: FxNode) -> FxNode:
    apart = emit(aten.neg.default, emit(aten.abs.default, emit(aten.sub.Tensor, *node.args)))
    tail = emit(aten.log1p.default, emit(aten.exp.default, apart))
    return emit(aten.add.Tensor, emit(aten.maximum.default, *node.args), tail)


def _acosh(emit: Emitter, node: FxNode) -> FxNode:
    """``log(x + sqrt((x - 1) (x + 1)))``: near 1, one step of ExecuTorch's ``x * x - 1`` is 0.05 of the result."""
    x = node.args[0]
    squared = emit(aten.mul.Tensor, emit(aten.sub.Tensor, x, 1.0), emit(aten.add.Tensor, x, 1.0))
    return emit(aten.log.default, emit(aten.add.Tensor, x, emit(aten.sqrt.default, squared)))


def _power_of_a_number(emit: Emitter, node: FxNode) -> FxNode | None:
    """``exp(x log(base))``: the accelerator computes one element only of a base that is broadcast."""
    base, exponent = node.args
    if not isinstance(base, int | float) or base <= 0 or not exponent.meta["val"].is_floating_point():  # type: ignore[union-attr]
        return None
    return emit(aten.exp.default, emit(aten.mul.Tensor, exponent, math.log(base)))


def _add_of_two(target: Any) -> Replacement:
    """``x + value * (a op b)``."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode:
        made, value = emit(target, *node.args[1:3]), argument(node, 3, "value", 1)
        return emit(aten.add.Tensor, node.args[0], made if value == 1 else emit(aten.mul.Tensor, made, value))

    return rewritten


def _lerp(emit: Emitter, node: FxNode) -> FxNode:
    start, end, weight = node.args
    return emit(aten.add.Tensor, start, emit(aten.mul.Tensor, emit(aten.sub.Tensor, end, start), weight))


ELEMENTWISE: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.softplus.default: _softplus,
        aten.tanh.default: _tanh,
        aten.log_sigmoid.default: _log_sigmoid,
        aten.selu.default: _selu,
        aten.elu.default: _elu,
        aten.clamp.Tensor: _clamp,
        aten.round.decimals: _round,
        aten.fmod.Scalar: _fmod,
        aten.fmod.Tensor: _fmod,
        aten.logaddexp.default: _log_add_exp,
        aten.acosh.default: _acosh,
        aten.pow.Scalar: _power_of_a_number,
        aten.addcmul.default: _add_of_two(aten.mul.Tensor),
        aten.addcdiv.default: _add_of_two(aten.div.Tensor),
        aten.lerp.Scalar: _lerp,
        aten.lerp.Tensor: _lerp,
    }
)
"""By aten target, what is written instead."""
