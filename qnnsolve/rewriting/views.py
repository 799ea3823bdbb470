"""Views: which tensor a node is a view of, and what that tensor is once the view was written to."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Node

from qnnsolve.rewriting.emitting import Emitter, argument

__all__ = ["put_back", "viewed"]

aten = torch.ops.aten

_RESHAPED = frozenset(
    {
        aten.view.default,
        aten.reshape.default,
        aten.flatten.using_ints,
        aten.unflatten.int,
        aten.view_as.default,
        aten.reshape_as.default,
        aten.squeeze.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.unsqueeze.default,
    }
)
"""Views of all elements, in the same order."""
_SAME = frozenset({aten.detach.default, aten.alias.default, aten.contiguous.default, aten.to.dtype})
_IN_PIECES = frozenset(
    {aten.split.Tensor, aten.split_with_sizes.default, aten.chunk.default, aten.tensor_split.sections}
)
"""Views of several parts, one beside the other along a dimension."""


def viewed(node: Node) -> Node | None:
    """The tensor that ``node`` is a view of; None where it has memory of its own.

    Each part of a tensor that is cut into several is a view of that tensor.
    """
    if node.target is operator.getitem:
        whole = node.args[0]
        return viewed(whole) if isinstance(whole, Node) else None
    if node.target is aten.dropout.default:
        return None if node.args[2] else node.all_input_nodes[0]
    if not isinstance(node.target, torch._ops.OpOverload) or not node.all_input_nodes:
        return None
    returned = node.target._schema.returns
    alias = returned[0].alias_info if returned else None
    if alias is None or alias.is_write or not _shares(node):
        return None
    return node.all_input_nodes[0]


def _shares(node: Node) -> bool:
    """Whether the result of an op that copies only where it must is in the memory of its source."""
    source = node.all_input_nodes[0].meta["val"]
    if not isinstance(source, torch.Tensor) or not isinstance(node.meta["val"], torch.Tensor):
        return True
    if node.target is aten.contiguous.default:
        return source.is_contiguous()
    if str(node.target).startswith("aten.to."):
        return source.dtype == node.meta["val"].dtype and not argument(node, 3, "copy", False)
    if node.target in (aten.reshape.default, aten.flatten.using_ints, aten.reshape_as.default):
        try:
            source.view(node.meta["val"].shape)
        except (
            RuntimeError,
            ValueError,
        ):  # its elements do not lie so that another shape fits; fake tensors say so thus
            return False
    return True


def put_back(emit: Emitter, view: Node, whole: Node, part: Node) -> Node | None:
    """What ``whole`` becomes where ``view``, a view of it, becomes ``part``; None for a view that is not followed:

    one that reads the same numbers as another dtype, and one by strides of a tensor that does not lie in order.
    """
    sizes = whole.meta["val"].shape
    if view.target in _SAME or view.target is aten.dropout.default:
        return part
    if view.target in _RESHAPED:
        return emit(aten.reshape.default, part, list(sizes))
    if view.target is aten.transpose.int:
        return emit(aten.transpose.int, part, *view.args[1:])
    if view.target is aten.t.default:
        return emit(aten.t.default, part)
    if view.target is aten.permute.default:
        order = [dim % len(sizes) for dim in view.args[1]]  # type: ignore[union-attr,operator]  # a list of integers
        return emit(aten.permute.default, part, [order.index(dim) for dim in range(len(order))])
    place = _place(view, sizes)
    if place is None:
        return _gathered(emit, view, whole, part)
    dim, start, end, step = place
    if view.target is aten.select.int:
        part = emit(aten.unsqueeze.default, part, dim)
    if (start, step) == (0, 1) and end >= sizes[dim]:
        return part
    return emit(aten.slice_scatter.default, whole, part, dim, start, end, step)


def _gathered(emit: Emitter, view: Node, whole: Node, part: Node) -> Node | None:
    """Every element by its place, in the order in which they lie: from ``part`` where the view shows it."""
    value = whole.meta["val"]
    if part.meta["val"].dtype != value.dtype or not value.is_contiguous():
        return None
    places = torch.arange(value.numel()).reshape(value.shape)
    if view.target is operator.getitem:
        cut: Any = view.args[0]
        shown = cut.target(places, *cut.args[1:], **cut.kwargs)[view.args[1]]
    else:
        shown = view.target(places, *view.args[1:], **view.kwargs)  # type: ignore[operator]  # an op, as viewed() saw
    source = torch.arange(value.numel())
    source[shown.reshape(-1)] = value.numel() + torch.arange(shown.numel())
    both = emit(aten.cat.default, [emit(aten.reshape.default, each, [-1]) for each in (whole, part)])
    chosen = emit(aten.index_select.default, both, 0, emit.constant("places", source))
    return emit(aten.reshape.default, chosen, list(value.shape))


def _place(view: Node, sizes: Any) -> tuple[int, int, int, int] | None:
    """(dim, start, end, step) of the part that ``view`` shows, all from 0 up; None where it is no such part."""
    given: tuple[Any, ...] = view.args
    if view.target is operator.getitem:
        cut, index = given
        if cut.target not in _IN_PIECES:
            return None
        dim = argument(cut, 2, "dim", 0) % len(sizes)
        lengths = [piece.shape[dim] for piece in cut.meta["val"]]
        start = sum(lengths[:index])
        return dim, start, start + lengths[index], 1
    if view.target is aten.select.int:
        dim, index = given[1] % len(sizes), given[2]
        start = index + sizes[dim] if index < 0 else index
        return dim, start, start + 1, 1
    if view.target is aten.slice.Tensor:
        dim = argument(view, 1, "dim", 0) % len(sizes)
        ends = argument(view, 2, "start"), argument(view, 3, "end")
        start, end = (
            default if size is None else max(size + sizes[dim], 0) if size < 0 else min(size, sizes[dim])
            for size, default in zip(ends, (0, sizes[dim]), strict=True)
        )
        return dim, start, end, argument(view, 4, "step", 1)
    return None
