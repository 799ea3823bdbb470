"""Reshape past what has more dimensions than the accelerator takes: :func:`reshaped`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch.fx import Node

from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["COPIES", "VIEWS", "reshaped", "shape", "tensors", "unviewed"]

_aten = torch.ops.aten
VIEWS = frozenset(
    {
        *(_aten.view.default, _aten.view_copy.default, _aten.reshape.default, _aten._unsafe_view.default),
        *(_aten.unsqueeze.default, _aten.unsqueeze_copy.default, _aten.unflatten.int, _aten.flatten.using_ints),
        *(_aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims, _aten.squeeze_copy.dims),
    }
)
"""The same elements in the same order."""
COPIES = frozenset({_aten.contiguous.default, _aten.clone.default, _aten.alias.default, _aten.detach.default})


def shape(node: object) -> tuple[int, ...]:
    """The sizes of a node's tensor; none where it has none, or where one varies."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    sizes = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return sizes if all(isinstance(size, int) for size in sizes) else ()


def tensors(node: Node) -> Iterable[torch.Tensor]:
    """The fake values of what ``node`` yields."""
    value = node.meta.get("val")
    return [each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, torch.Tensor)]


def unviewed(node: Node) -> Node:
    """The tensor that ``node`` shows, before it was viewed in more dimensions than the accelerator takes."""
    while node.target in VIEWS | COPIES and len(shape(node)) > LARGEST_RANK:
        (node,) = node.all_input_nodes
    return node


def reshaped(emit: Emitter, source: Node, sizes: Sequence[int]) -> Node:
    """``source`` in the shape ``sizes``, without a detour over too many dimensions."""
    source = unviewed(source)
    if shape(source) == tuple(sizes):
        return source
    return emit.folded(_aten.reshape.default, source, list(sizes))
