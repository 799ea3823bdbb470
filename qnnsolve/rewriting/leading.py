"""Bring a leading dimension of size one to where the accelerator moves 8-bit values as they are: :func:`move_leading`.

Where the compiler makes ``[1, a, b, c, d]`` of ``[a, b, c, d]``, every 8-bit value whose integer is a multiple of four
comes out one step off. The same happens within some transpositions of five dimensions that keep the first, of size one,
and the second where they are (measured on V68 and V79, QNN 2.51: ``python -m benchmarks.leading_one SM8350 SM8750``). A
second dimension of size one that is transposed to the front costs nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["move_leading"]

_aten = torch.ops.aten
_RESHAPED = frozenset(
    {
        *(_aten.view.default, _aten.view_copy.default, _aten.reshape.default, _aten._unsafe_view.default),
        *(_aten.unsqueeze.default, _aten.unsqueeze_copy.default, _aten.unflatten.int, _aten.flatten.using_ints),
        *(_aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims, _aten.squeeze_copy.dims),
        *(_aten.contiguous.default, _aten.clone.default),
    }
)
"""What the compiler takes for one Reshape, however many stand in a row."""
_SWAPPED = [1, 0, 2, 3, 4]


def move_leading(model: GraphModule) -> GraphModule:
    """Write, in place, each such step as one that keeps the values. Returns ``model``."""
    for node in list(model.graph.nodes):
        if node.op != "call_function" or len(_shape(node)) != len(_SWAPPED):
            continue
        if node.target in _RESHAPED and _prepends(node):
            first, *rest = _shape(node)[1:]
            _replace(node, [first, 1, *rest], _SWAPPED)
        elif (order := _kept_in_front(node)) is not None:
            first, *rest = _shape(node.args[0])[1:]
            _replace(node, [first, 1, *rest], [_SWAPPED[place] for place in order])
    model.recompile()
    return model


def _shape(node: object) -> tuple[int, ...]:
    """The sizes of a node's tensor; none where they vary."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    sizes = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return sizes if all(isinstance(size, int) for size in sizes) else ()


def _prepends(node: Node) -> bool:
    """Whether it, with the reshapes before it, puts one dimension before four, and something else reads that."""
    if node.users and all(user.target in _RESHAPED for user in node.users):
        return False
    source: object = node
    while isinstance(source, Node) and source.target in _RESHAPED:
        source = source.args[0]
    return (1, *_shape(source)) == _shape(node)


def _kept_in_front(node: Node) -> list[int] | None:
    """The order of a permutation that keeps the first dimension, of size one, and the second where they are."""
    given: tuple[Any, ...] = node.args
    order = list(range(len(_SWAPPED)))
    if node.target is _aten.permute.default:
        order = [place % len(_SWAPPED) for place in given[1]]
    elif node.target is _aten.transpose.int:
        order[given[1]], order[given[2]] = order[given[2]], order[given[1]]
    else:
        return None
    kept = order[:2] == [0, 1] and order != sorted(order) and _shape(node)[0] == 1
    return order if kept else None


def _replace(node: Node, sizes: list[int], order: list[int]) -> None:
    emit = Emitter(node)
    moved = emit(_aten.permute.default, emit(_aten.reshape.default, node.args[0], sizes), order)
    node.replace_all_uses_with(moved)
    node.graph.erase_node(node)
