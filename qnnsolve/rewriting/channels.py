"""Ops per channel, where the accelerator does not hold the channels last, or has no such op: :data:`CHANNELS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.facts.fx import read_graph
from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rules.builders.layout import channels_last

__all__ = ["CHANNELS", "slopes"]

aten = torch.ops.aten


def _prelu(emit: Emitter, node: FxNode, held: Callable[[FxNode], bool]) -> FxNode | None:
    """Several slopes are applied along the last dimension, and slopes are constant: else it is written otherwise."""
    source, slope = node.args
    assert isinstance(source, FxNode)
    assert isinstance(slope, FxNode)
    shape, many = source.meta["val"].shape, slope.meta["val"].numel() > 1
    if slope.op != "get_attr":
        return _by_sign(emit, source, slope, len(shape))
    if not many or len(shape) < 3 or held(node):
        return None
    moved = emit(aten.transpose.int, source, 1, -1)
    rows = emit(aten.prelu.default, emit(aten.reshape.default, moved, [-1, shape[1]]), slope)
    return emit(aten.transpose.int, emit(aten.reshape.default, rows, list(moved.meta["val"].shape)), 1, -1)


def _by_sign(emit: Emitter, source: FxNode, slope: FxNode, rank: int) -> FxNode:
    """``max(x, 0) + slope min(x, 0)``."""
    if slope.meta["val"].dim() and rank > 1:
        slope = emit(aten.reshape.default, slope, [-1, *[1] * (rank - 2)])
    below = emit(aten.mul.Tensor, emit(aten.clamp.default, source, None, 0.0), slope)
    return emit(aten.add.Tensor, emit(aten.relu.default, source), below)


def slopes(module: GraphModule) -> Mapping[Any, Replacement]:
    """What is written instead of a PReLU, once all other ops of ``module`` are as they will be.

    The layout of a PReLU depends on the other ops, not on other PReLUs: so the graph is read once for all of them.
    """
    graph = cache(lambda: read_graph(module))
    return {aten.prelu.default: partial(_prelu, held=lambda node: channels_last(graph()[node.name], graph()))}


def _rrelu(emit: Emitter, node: FxNode) -> FxNode | None:
    """Outside training its slope is the middle of both bounds."""
    if argument(node, 3, "training", False):
        return None
    low, high = argument(node, 1, "lower", 1 / 8), argument(node, 2, "upper", 1 / 3)
    return emit(aten.leaky_relu.default, node.args[0], (low + high) / 2)


def _shuffle(emit: Emitter, node: FxNode) -> FxNode | None:
    """ExecuTorch builds it for images; what is no image moves as groups by channels."""
    source: Any = node.args[0]
    groups: Any = node.args[1]
    shape = list(source.meta["val"].shape)
    if len(shape) == 4:
        return None
    apart = emit(aten.reshape.default, source, [shape[0], groups, shape[1] // groups, -1])
    return emit(aten.reshape.default, emit(aten.transpose.int, apart, 1, 2), shape)


CHANNELS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.rrelu.default: _rrelu,
        aten.channel_shuffle.default: _shuffle,
        aten.native_channel_shuffle.default: _shuffle,
    }
)
"""By aten target, what is written instead."""
