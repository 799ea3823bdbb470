"""Indices as the accelerator takes them: counted from the front, and in one row (:data:`INDICES`).

With a negative index it silently reads and writes elsewhere (HTP emulator, QNN 2.51: ``x[[0, -1]]`` has
-1 dB). ExecuTorch's ``op_index_put.py`` (1.5.1) builds index tensors of one dimension.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["INDICES"]

aten = torch.ops.aten


def _constant(index: FxNode) -> torch.Tensor | None:
    """The value of an index that no input decides."""
    module = index.graph.owning_module
    if index.op != "get_attr" or module is None or any(_writes(user) for user in index.users):
        return None
    value = operator.attrgetter(str(index.target))(module)
    return value if isinstance(value, torch.Tensor) else None


def _writes(user: FxNode) -> bool:
    return isinstance(user.target, torch._ops.OpOverload) and user.target._schema.is_mutable


def _from_the_front(emit: Emitter, index: Any, size: int) -> Any:
    if not isinstance(index, FxNode) or index.meta["val"].dtype == torch.bool:
        return index
    value = _constant(index)
    if value is None:
        negative = emit(aten.lt.Scalar, index, 0)
        return emit(aten.where.self, negative, emit(aten.add.Tensor, index, size), index)
    if not value.numel() or value.min() >= 0:
        return index
    return emit.constant("index_from_the_front", torch.where(value < 0, value + size, value))


def _positive(emit: Emitter, node: FxNode) -> None:
    """Count the indices of ``node`` from the front: constants now, others in the graph."""
    source: Any = node.args[0]
    given: Any = node.args[1]
    sizes = source.meta["val"].shape
    indices = [_from_the_front(emit, index, sizes[dim]) for dim, index in enumerate(given)]
    node.args = (source, indices, *node.args[2:])


def _index_put(emit: Emitter, node: FxNode) -> FxNode | None:
    """Index tensors side by side, of several dimensions or of several shapes, as rows of one length."""
    masked = _where_masked(emit, node)
    if masked is not None:
        return masked
    _positive(emit, node)
    source: Any = node.args[0]
    given: Any = node.args[1]
    value: Any = node.args[2]
    places = [dim for dim, index in enumerate(given) if index is not None]
    tensors = [given[place].meta["val"] for place in places]
    beside = places == list(range(places[0], places[0] + len(places))) if places else False
    if not beside or any(tensor.dtype == torch.bool for tensor in tensors):
        return None
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))  # type: ignore[no-untyped-call]
    if len(shape) < 2 and all(tensor.shape == shape for tensor in tensors):
        return None
    count, sizes = math.prod(shape), source.meta["val"].shape
    before, after = sizes[: places[0]], sizes[places[-1] + 1 :]
    whole, row = [*before, *shape, *after], [*before, count, *after]
    spread = value if list(value.meta["val"].shape) == whole else emit(aten.expand.default, value, whole)
    rows = [_in_a_row(emit, index, shape, count) if index is not None else None for index in given]
    return emit(node.target, source, rows, emit(aten.reshape.default, spread, row), *node.args[3:])


def _where_masked(emit: Emitter, node: FxNode) -> FxNode | None:
    """``x[mask] = value`` as a ``where``, if one value or one of what lies behind the mask's dimensions is written."""
    source: Any = node.args[0]
    given: Any = node.args[1]
    value: Any = node.args[2]
    masks = [(place, index) for place, index in enumerate(given) if index is not None]
    if len(masks) != 1 or masks[0][1].meta["val"].dtype != torch.bool or argument(node, 3, "accumulate", False):
        return None
    (place, mask), into = masks[0], source.meta["val"]
    behind = into.dim() - place - mask.meta["val"].dim()
    written = list(value.meta["val"].shape)
    if math.prod(written) == 1:
        written = [1] * min(len(written), into.dim())
    while len(written) > behind and written[0] == 1:
        written = written[1:]
    if len(written) > behind or value.meta["val"].dtype != into.dtype:
        return None
    shape = [*[1] * place, *mask.meta["val"].shape, *[1] * behind]
    spread = mask if list(mask.meta["val"].shape) == shape else emit(aten.reshape.default, mask, shape)
    shaped = value if list(value.meta["val"].shape) == written else emit(aten.reshape.default, value, written)
    return emit(aten.where.self, spread, shaped, source)


def _in_a_row(emit: Emitter, index: FxNode, shape: Any, count: int) -> FxNode:
    value = _constant(index)
    if value is not None:
        return emit.constant("index_in_a_row", value.expand(shape).reshape(count).contiguous())
    spread = index if index.meta["val"].shape == shape else emit(aten.expand.default, index, list(shape))
    return emit(aten.reshape.default, spread, [count])


INDICES: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.index.Tensor: _positive,
        aten.index_put.default: _index_put,
        aten.index_put_.default: _index_put,
    }
)
"""By aten target, what is written instead."""
