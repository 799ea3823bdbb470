"""Give ops on images a batch dimension where the model has none, which torch allows and ExecuTorch builds nothing for.

A convolution of ``[channels, rows, columns]`` becomes one of a batch of one. ``pixel_shuffle`` and its inverse take any
number of leading dimensions, which become one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["BATCHED", "add_batches"]

aten = torch.ops.aten

BATCHED: Mapping[Any, int] = MappingProxyType(
    {
        **dict.fromkeys((aten.conv1d.default, aten.conv1d.padding, aten.conv_transpose1d.default), 3),
        **dict.fromkeys((aten.conv2d.default, aten.conv2d.padding, aten.conv_transpose2d.input), 4),
        **dict.fromkeys((aten.conv3d.default, aten.conv3d.padding, aten.conv_transpose3d.input), 5),
        **dict.fromkeys((aten.max_pool1d.default, aten.max_pool1d_with_indices.default, aten.avg_pool1d.default), 3),
        **dict.fromkeys((aten.max_pool2d.default, aten.max_pool2d_with_indices.default, aten.avg_pool2d.default), 4),
        **dict.fromkeys((aten.max_pool3d.default, aten.max_pool3d_with_indices.default, aten.avg_pool3d.default), 5),
        **dict.fromkeys((aten.adaptive_avg_pool1d.default, aten.adaptive_max_pool1d.default), 3),
        **dict.fromkeys((aten.adaptive_avg_pool2d.default, aten.adaptive_max_pool2d.default), 4),
        **dict.fromkeys((aten.adaptive_avg_pool3d.default, aten.adaptive_max_pool3d.default), 5),
        **dict.fromkeys((aten.pixel_shuffle.default, aten.pixel_unshuffle.default, aten.im2col.default), 4),
        aten.col2im.default: 3,
    }
)
"""By aten target, how many dimensions its first argument has with a batch."""


def add_batches(model: GraphModule) -> GraphModule:
    """``model`` itself, with one batch dimension around each op of :data:`BATCHED` that has none, or several."""
    changed = False
    for node in list(model.graph.nodes):
        source: Any = node.args[0] if node.op == "call_function" and node.target in BATCHED else None
        if not isinstance(source, FxNode) or "val" not in source.meta:
            continue
        kept = BATCHED[node.target] - 1
        if source.meta["val"].dim() != kept + 1:
            _batch(node, source, kept)
            changed = True
    if changed:
        model.recompile()
    return model


def _batch(node: FxNode, source: FxNode, kept: int) -> None:
    """``kept`` dimensions of the input belong to the op itself."""
    emit, sizes = Emitter(node), list(source.meta["val"].shape)
    leading = sizes[: len(sizes) - kept]
    batch = emit(aten.reshape.default, source, [math.prod(leading), *sizes[len(leading) :]])
    made = emit(node.target, batch, *node.args[1:], **node.kwargs)
    if isinstance(made.meta["val"], torch.Tensor):
        node.replace_all_uses_with(_unbatched(emit, made, leading))
    else:
        for user in list(node.users):
            taken = emit(operator.getitem, made, user.args[1])
            user.replace_all_uses_with(_unbatched(emit, taken, leading))
            user.graph.erase_node(user)
    node.graph.erase_node(node)


def _unbatched(emit: Emitter, batch: FxNode, leading: list[int]) -> FxNode:
    return emit(aten.reshape.default, batch, [*leading, *batch.meta["val"].shape[1:]])
