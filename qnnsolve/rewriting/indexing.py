"""Indexing by several tensors, written as indexing by one: ExecuTorch (1.5.1) builds no other.

Language models take the last token of each sequence by ``x[torch.arange(n), last]``. That is the row ``arange * length
+ last`` of the same memory. Its constant part is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement
from qnnsolve.rewriting.indices import INDICES

__all__ = ["INDEXING"]

aten = torch.ops.aten
_FROM_ZERO = frozenset({aten.arange.default, aten.argmax.default, aten.argmin.default, aten.abs.default})
"""Ops whose integers are not negative, of ``arange`` only that which starts at zero."""


def _index(emit: Emitter, node: FxNode) -> FxNode | None:
    source, indices = node.args
    assert isinstance(source, FxNode) and isinstance(indices, (list, tuple))
    places = [place for place, index in enumerate(indices) if isinstance(index, FxNode)]
    tensors = [indices[place] for place in places]
    if len(places) < 2 or any(index.meta["val"].dtype in (torch.bool, torch.uint8) for index in tensors):  # type: ignore[union-attr]
        return INDICES[node.target](emit, node)
    shape = list(source.meta["val"].shape)
    if places != list(range(places[0], places[-1] + 1)):  # what they pick stands in front, as torch has it
        others = [dim for dim in range(len(shape)) if dim not in places]
        source = emit(aten.permute.default, source, [*places, *others])
        shape, places = list(source.meta["val"].shape), list(range(len(places)))
    start, end = places[0], places[-1] + 1
    sizes = shape[start:end]
    rows = emit(aten.reshape.default, source, [*shape[:start], math.prod(sizes), *shape[end:]])
    return emit(aten.index.Tensor, rows, [*[None] * start, _joined(emit, tensors, sizes)])


def _joined(emit: Emitter, indices: list[Any], sizes: list[int]) -> FxNode:
    """The place of each element among all that the dimensions of ``sizes`` have."""
    total: FxNode | None = None
    for place, index in enumerate(indices):
        step = math.prod(sizes[place + 1 :])
        from_zero = _from_zero(emit, index, sizes[place])
        scaled = from_zero if step == 1 else emit(aten.mul.Tensor, from_zero, step)
        total = scaled if total is None else emit(aten.add.Tensor, total, scaled)
    assert total is not None
    return total


def _from_zero(emit: Emitter, index: FxNode, size: int) -> FxNode:
    """``index`` counted from the front, where it may be counted from the back."""
    if index.target in _FROM_ZERO:
        return index
    from_back = emit(aten.lt.Scalar, index, 0)
    return emit(aten.where.self, from_back, emit(aten.add.Tensor, index, size), index)


def _unfold(emit: Emitter, node: FxNode) -> FxNode:
    """Windows along a dimension (frames of a signal) as the rows that a constant index picks; side by side, as they
    lie."""
    source: Any = node.args[0]
    place: Any = node.args[1]
    size: Any = node.args[2]
    step: Any = node.args[3]
    shape = list(source.meta["val"].shape)
    dim = place % len(shape)
    windows = (shape[dim] - size) // step + 1
    if step == size:
        picked = emit(aten.slice.Tensor, source, dim, 0, windows * size) if windows * size < shape[dim] else source
    else:
        at = torch.arange(windows)[:, None] * step + torch.arange(size)
        picked = emit(aten.index_select.default, source, dim, emit.constant("window_places", at.reshape(-1)))
    cut = emit(aten.reshape.default, picked, [*shape[:dim], windows, size, *shape[dim + 1 :]])
    others = [each for each in range(len(shape) + 1) if each != dim + 1]
    return cut if dim == len(shape) - 1 else emit(aten.permute.default, cut, [*others, dim + 1])


INDEXING: Mapping[Any, Replacement] = MappingProxyType({aten.index.Tensor: _index, aten.unfold.default: _unfold})
"""By aten target, what is written instead."""
