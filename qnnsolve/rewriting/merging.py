"""Which dimensions an op treats alike, and the op with those merged: :func:`merged`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node

from qnnsolve.rewriting.along import NEUTRAL, along, gather, index, join, length, over, pad, scatter
from qnnsolve.rewriting.broadcasting import attention, expand, matmul, pointwise, repeat
from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.permuting import permuted
from qnnsolve.rewriting.reshaping import COPIES, VIEWS, reshaped, shape, unviewed

__all__ = ["merged"]

_aten = torch.ops.aten


def merged(emit: Emitter, node: Node) -> Node | None:
    """What ``node`` computes, in as few dimensions as possible: the same elements in the same order, in any shape.

    None where it cannot do with few enough, or is not known here. Of an op of several results the items that are read
    are replaced already, and the op itself is returned.
    """
    target: Any = node.target
    if target in VIEWS | COPIES:
        return unviewed(node.all_input_nodes[0])
    if target in _RULES:
        return _RULES[target](emit, node)
    if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
        return None
    return pointwise(emit, node) if torch.Tag.pointwise in target.tags else None


def _permute(emit: Emitter, node: Node) -> Node:
    source, rank = node.all_input_nodes[0], len(shape(node))
    every: Any = node.args
    given = every[1]
    if node.target is _aten.permute.default:
        return permuted(emit, source, [dim % rank for dim in given])
    order = list(range(rank))
    if node.target is _aten.transpose.int:
        first, second = given % rank, every[2] % rank
        order[first], order[second] = second, first
    else:
        moved = [given] if isinstance(given, int) else given
        to = [every[2]] if isinstance(every[2], int) else every[2]
        places = {place % rank: dim % rank for dim, place in zip(moved, to, strict=True)}
        rest = iter(dim for dim in order if dim not in places.values())
        order = [places[place] if place in places else next(rest) for place in order]
    return permuted(emit, source, order)


def _over_all(emit: Emitter, node: Node) -> Node:
    """An op over every dimension, which it does not name."""
    source, *rest = node.args
    width = shape(source)[-1]
    return emit(node.target, reshaped(emit, source, [math.prod(shape(source)[:-1]), width]), *rest, **node.kwargs)  # type: ignore[arg-type]  # a node


def _rows(emit: Emitter, node: Node) -> Node | None:
    """A norm over the last dimension, or a linear layer: all dimensions before it are alike."""
    over = node.args[1]
    return None if isinstance(over, list | tuple) and len(over) != 1 else _over_all(emit, node)


def _made(emit: Emitter, node: Node) -> Node:
    """A tensor that is made from nothing."""
    sizes = shape(node)
    with node.meta["val"].fake_mode:
        return emit(node.target, [math.prod(sizes[:-1]), sizes[-1]], *node.args[1:], **node.kwargs)


def _each(
    rule: Callable[[Emitter, Node], Node | None], targets: Iterable[Any]
) -> dict[Any, Callable[[Emitter, Node], Node | None]]:
    return dict.fromkeys(targets, rule)


_RULES: Mapping[Any, Callable[[Emitter, Node], Node | None]] = MappingProxyType(
    {
        **_each(pointwise, (_aten.to.dtype, _aten._to_copy.default, _aten.dropout.default, _aten.masked_fill.Scalar)),
        **_each(expand, (_aten.expand.default, _aten.expand_copy.default, _aten.expand_as.default)),
        **_each(repeat, (_aten.repeat.default,)),
        **_each(_permute, (_aten.permute.default, _aten.permute_copy.default, _aten.transpose.int)),
        **_each(_permute, (_aten.movedim.int, _aten.movedim.intlist)),
        **_each(along, (_aten.select.int, _aten.slice.Tensor, _aten.slice_copy.Tensor, _aten.index_select.default)),
        **_each(along, (_aten.narrow.default, _aten.split.Tensor, _aten.split_with_sizes.default, _aten.chunk.default)),
        **_each(
            along,
            (_aten.glu.default, _aten.unbind.int, _aten.softmax.int, _aten._softmax.default, _aten.log_softmax.int),
        ),
        **_each(along, (_aten.cumsum.default, _aten.argmax.default, _aten.argmin.default, _aten.prod.dim_int)),
        **_each(along, (_aten.topk.default, _aten.sort.default, _aten.max.dim, _aten.min.dim, _aten.any.dim)),
        **_each(over, NEUTRAL),
        **_each(over, (_aten.any.dims, _aten.all.dims)),
        **_each(_over_all, (_aten.sum.default, _aten.mean.default, _aten.max.default, _aten.min.default)),
        **_each(_over_all, (_aten.any.default, _aten.all.default)),
        **_each(join, (_aten.cat.default, _aten.stack.default)),
        **_each(_rows, (_aten.linear.default, _aten.layer_norm.default, _aten.rms_norm.default)),
        **_each(matmul, (_aten.matmul.default,)),
        **_each(index, (_aten.index.Tensor,)),
        **_each(scatter, (_aten.slice_scatter.default, _aten.select_scatter.default)),
        **_each(gather, (_aten.gather.default,)),
        **_each(length, (_aten.linalg_vector_norm.default,)),
        **_each(pad, (_aten.pad.default, _aten.constant_pad_nd.default)),
        **_each(attention, (_aten.scaled_dot_product_attention.default,)),
        **_each(_made, (_aten.full.default, _aten.zeros.default, _aten.ones.default)),
    }
)
