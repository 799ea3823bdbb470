"""Divisions, remainders and shifts of integers, written as ops that compute them exactly where they are placed.

ExecuTorch (1.5.1) takes divisions with a rounding mode, floor divisions and remainders apart into a division of floats
and a floor: what comes out is a float, inexact beyond 2**24, and no index any more. The accelerator divides in half
precision (of dividends up to 20,000 44 % are wrong on V79, QNN 2.51: ``python -m benchmarks.integer_division SM8750``;
on V68 it does not compile), so these stay on the CPU, as the one op that no pass knows: ``aten.divide``. Its runtime
divides integers exactly in every mode, but takes remainders of negative numbers with the sign of the dividend.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["INTEGERS"]

aten = torch.ops.aten


def _is_integer(node: FxNode) -> bool:
    return not node.meta["val"].is_floating_point()


def _divided(emit: Emitter, dividend: Any, divisor: Any, mode: str) -> FxNode:
    """The quotient; a number that is divided becomes a tensor, as ``aten.divide`` wants it."""
    if not isinstance(dividend, FxNode):
        dividend = emit(aten.full_like.default, divisor, dividend)
    return emit(aten.divide.Tensor_mode, dividend, divisor, rounding_mode=mode)


def _floor_divide(emit: Emitter, node: FxNode) -> FxNode | None:
    return _divided(emit, node.args[0], node.args[1], "floor") if _is_integer(node) else None


def _divide_by_mode(emit: Emitter, node: FxNode) -> FxNode | None:
    mode = argument(node, 2, "rounding_mode")
    if mode is not None and _is_integer(node):
        return _divided(emit, node.args[0], node.args[1], mode)
    if node.target is aten.divide.Tensor_mode:  # of floats: under the name that ExecuTorch takes apart
        return emit(aten.div.Tensor_mode, *node.args[:2], rounding_mode=mode)
    return None


def _remainder(emit: Emitter, node: FxNode) -> FxNode | None:
    """With the sign of the divisor: ``x - floor(x / y) * y``."""
    if not _is_integer(node):
        return None
    dividend, divisor = node.args
    whole = emit(aten.mul.Tensor, _divided(emit, dividend, divisor, "floor"), divisor)
    return (
        emit(aten.sub.Tensor, dividend, whole)
        if isinstance(dividend, FxNode)
        else emit(aten.rsub.Scalar, whole, dividend)
    )


def _whole(emit: Emitter, node: FxNode) -> FxNode | None:
    """An integer is whole already; the runtime would round it as a float."""
    source = node.args[0]
    return source if isinstance(source, FxNode) and _is_integer(source) else None


def _shift(target: Any) -> Replacement:
    """The shift by a number that the runtime has a kernel for."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode:
        return emit(target, *node.args)

    return rewritten


INTEGERS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.floor_divide.default: _floor_divide,
        aten.floor_divide.Scalar: _floor_divide,
        aten.div.Tensor_mode: _divide_by_mode,
        aten.div.Scalar_mode: _divide_by_mode,
        aten.divide.Tensor_mode: _divide_by_mode,
        aten.divide.Scalar_mode: _divide_by_mode,
        aten.remainder.Tensor: _remainder,
        aten.remainder.Scalar: _remainder,
        aten.remainder.Scalar_Tensor: _remainder,
        aten.floor.default: _whole,
        aten.ceil.default: _whole,
        aten.trunc.default: _whole,
        aten.round.default: _whole,
        aten.__lshift__.Scalar: _shift(aten.bitwise_left_shift.Tensor_Scalar),
        aten.__rshift__.Scalar: _shift(aten.bitwise_right_shift.Tensor_Scalar),
        aten.__lshift__.Tensor: _shift(aten.bitwise_left_shift.Tensor),
        aten.__rshift__.Tensor: _shift(aten.bitwise_right_shift.Tensor),
    }
)
"""By aten target, what is written instead."""
