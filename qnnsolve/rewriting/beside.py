"""What comes out of a sigmoid, brought to the encoding of what stands beside it: :func:`part_from_sigmoids`.

The accelerator has one encoding for all sigmoids, and ExecuTorch (1.5.1, ``annotate_quant_attrs.py``) inserts no
convert behind one. Ops that copy several tensors into one, as they are, then leave it, or themselves, on the CPU. A
concatenation brings each part to its own encoding, and so does a product with one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, argument

__all__ = ["part_from_sigmoids"]

aten = torch.ops.aten
_REMOVED = frozenset(
    (aten.clone.default, aten.alias.default, aten.detach.default, aten.dropout.default, aten.contiguous.default)
)
"""What lowering takes out: who reads it reads what it read."""
_COPYING: Mapping[Any, tuple[int, ...]] = MappingProxyType(
    {
        aten.index_copy.default: (0, 3),
        aten.index_put.default: (0, 2),
        aten.scatter.src: (0, 3),
        aten.scatter_add.default: (0, 3),
        aten.scatter_reduce.two: (0, 3),
        aten.slice_scatter.default: (0, 1),
    }
)
"""By aten target, the arguments that share one encoding."""


def part_from_sigmoids(model: GraphModule) -> GraphModule:
    """Write such ops otherwise, in place, where sigmoids and other tensors are copied into one. Returns ``model``."""
    changed = False
    for node in list(model.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target is aten.stack.default:
            changed = _stacked(node) or changed
        elif node.target in _COPYING and _mixed(list(_parts(node))):
            changed = True
            if not _joined(node):
                _multiplied(node)
    if changed:
        model.recompile()
    return model


def _is_sigmoid(node: FxNode) -> bool:
    while node.target in _REMOVED:
        source: Any = node.args[0]
        node = source
    return node.target is aten.sigmoid.default


def _mixed(parts: list[FxNode]) -> bool:
    sigmoids = [_is_sigmoid(part) for part in parts]
    return any(sigmoids) and not all(sigmoids)


def _parts(node: FxNode) -> Iterator[FxNode]:
    for index in _COPYING[node.target]:
        part = node.args[index] if len(node.args) > index else None
        if isinstance(part, FxNode):
            yield part


def _stacked(node: FxNode) -> bool:
    """A stack as a concatenation."""
    parts: Any = node.args[0]
    if not _mixed(list(parts)):
        return False
    emit, dim = Emitter(node), argument(node, 1, "dim", 0) % node.meta["val"].dim()
    each = [emit(aten.unsqueeze.default, part, dim) for part in parts]
    _replace(node, emit(aten.cat.default, each, dim))
    return True


def _joined(node: FxNode) -> bool:
    """A part in the place of another, as what is before it, the part, and what is behind it."""
    if node.target is not aten.slice_scatter.default or argument(node, 5, "step", 1) != 1:
        return False
    whole, part, emit = *node.all_input_nodes[:2], Emitter(node)
    sizes = whole.meta["val"].shape
    dim = argument(node, 2, "dim", 0) % len(sizes)
    start = argument(node, 3, "start") or 0
    start = min(start + sizes[dim] if start < 0 else start, sizes[dim])
    end = start + part.meta["val"].shape[dim]
    parts = [part]
    if start > 0:
        parts.insert(0, emit(aten.slice.Tensor, whole, dim, 0, start))
    if end < sizes[dim]:
        parts.append(emit(aten.slice.Tensor, whole, dim, end, sizes[dim]))
    if len(parts) == 1:
        return False
    _replace(node, emit(aten.cat.default, parts, dim))
    return True


def _multiplied(node: FxNode) -> None:
    for part in [part for part in _parts(node) if _is_sigmoid(part)]:
        node.replace_input_with(part, Emitter(node)(aten.mul.Tensor, part, 1.0))


def _replace(node: FxNode, made: FxNode) -> None:
    node.replace_all_uses_with(made)
    node.graph.erase_node(node)
