"""Permute tensors of many dimensions as tensors of fewer, which the accelerator has ops for.

Window attention views an image as ``[batch, row, y, column, x, channel]`` and swaps two of the six dimensions. HTP
takes five at most (measured, QNN 2.51: ``incorrect Rank 6`` for Reshape and Transpose). Dimensions of size one, and
neighbours that stay neighbours, need none of their own.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["lower_ranks"]

_aten = torch.ops.aten
_VIEWS = (_aten.view.default, _aten.reshape.default, _aten._unsafe_view.default)
_COPIES = (_aten.contiguous.default, _aten.clone.default)


def lower_ranks(model: GraphModule) -> GraphModule:
    """Rewrite, in place, each permutation of more than five dimensions that can do with fewer. Returns ``model``."""
    for node in list(model.graph.nodes):
        if node.op == "call_function" and len(_shape(node)) > LARGEST_RANK:
            order = _order(node)
            if order is not None:
                _permute_groups(model, node, _groups(_shape(node.args[0]), order))
    for node in list(model.graph.nodes):
        if node.target in _VIEWS and len(_shape(node.args[0])) > LARGEST_RANK:
            viewed = _uncopied(node.args[0])
            if viewed.target in _VIEWS:
                node.args = (viewed.args[0], *node.args[1:])
                node.target = _aten.reshape.default
    for node in reversed(list(model.graph.nodes)):
        if node.target in (*_VIEWS, *_COPIES) and len(_shape(node)) > LARGEST_RANK and not node.users:
            model.graph.erase_node(node)
    model.recompile()
    return model


def _uncopied(node: Any) -> Any:
    while node.target in _COPIES:
        node = node.args[0]
    return node


def _shape(node: Any) -> tuple[Any, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _order(node: Node) -> tuple[int, ...] | None:
    """Which dimension of the input stands where in the output; None for other ops and for sizes that vary."""
    shape = _shape(node)
    if not all(isinstance(size, int) for size in shape):
        return None
    places = list(range(len(shape)))
    if node.target is _aten.permute.default:
        return tuple(place % len(shape) for place in node.args[1])  # type: ignore[union-attr, operator, misc]
    if node.target is _aten.transpose.int:
        first, second = node.args[1:3]
        places[first], places[second] = places[second], places[first]  # type: ignore[index]
        return tuple(places)
    return None


def _groups(shape: tuple[int, ...], order: tuple[int, ...]) -> list[list[int]]:
    """Runs of the input's dimensions that stay together, in the order of the output; those of size one left out."""
    wide = [place for place, size in enumerate(shape) if size != 1]
    rank = {place: index for index, place in enumerate(wide)}
    groups: list[list[int]] = []
    for place in (place for place in order if place in rank):
        if groups and rank[groups[-1][-1]] + 1 == rank[place]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _permute_groups(model: GraphModule, node: Node, groups: list[list[int]]) -> None:
    if not 0 < len(groups) <= LARGEST_RANK:
        return
    source, shape = node.all_input_nodes[0], _shape(node.all_input_nodes[0])
    before = sorted(groups)
    merged = [math.prod(shape[place] for place in group) for group in before]
    steps: list[tuple[Any, list[int]]] = [
        (_aten.reshape.default, merged),
        (_aten.permute.default, [before.index(group) for group in groups]),
        (_aten.reshape.default, list(_shape(node))),
    ]
    steps = steps[-1:] if len(groups) == 1 else steps
    with model.graph.inserting_before(node):
        for target, argument in steps:
            value = target(source.meta["val"], argument)
            source = model.graph.call_function(target, (source, argument))
            source.meta = {**node.meta, "val": value}
    node.replace_all_uses_with(source)
    model.graph.erase_node(node)
