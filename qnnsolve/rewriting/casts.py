"""Casts of whole floats to integers, and casts that can be left out (:data:`CASTS`).

What ``floor`` yields is whole in float. Quantized, or read back from the accelerator, it is a fraction of a step off,
and a cast to integers cuts that off: ``sign(x).int()`` at 16 bits has 2.5 dB on SM8750, every 1 a 0. So it is rounded
first, next to the cast and as the cast on the CPU.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["CASTS"]

aten = torch.ops.aten
_DEPTH = 40
"""Ops between a cast and what makes the numbers whole, at most."""

_MAKE_WHOLE = frozenset(
    (aten.floor.default, aten.ceil.default, aten.round.default, aten.trunc.default, aten.sign.default)
)
_ROUND = frozenset((aten.div.Tensor_mode, aten.div.Scalar_mode, aten.floor_divide.default))
_KEEP_WHOLE = frozenset(
    (
        *(aten.reshape.default, aten.view.default, aten.permute.default, aten.transpose.int, aten.flatten.using_ints),
        *(aten.squeeze.dim, aten.squeeze.dims, aten.squeeze.default, aten.unsqueeze.default, aten.expand.default),
        *(aten.slice.Tensor, aten.select.int, aten.index.Tensor, aten.gather.default, aten.index_select.default),
        *(aten.cat.default, aten.stack.default, aten.clone.default, aten.contiguous.default, aten.where.self),
        *(aten.add.Tensor, aten.sub.Tensor, aten.rsub.Scalar, aten.mul.Tensor, aten.neg.default, aten.abs.default),
        *(aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default, aten.relu.default),
        *(aten.maximum.default, aten.minimum.default, aten.amax.default, aten.amin.default, aten.sum.dim_IntList),
        *(aten.detach.default, aten.alias.default, aten.pad.default, aten.constant_pad_nd.default, aten.to.dtype),
    )
)
"""Ops that yield whole numbers of whole ones."""


def _is_whole(value: Any, depth: int = _DEPTH) -> bool:
    """Whether ``value``, a float node, a number or a list of those, is whole by how it is computed."""
    if isinstance(value, (list, tuple)):
        return all(_is_whole(each, depth) for each in value)
    if not isinstance(value, FxNode):
        return not isinstance(value, float) or value.is_integer()
    found = value.meta.get("val")
    if not isinstance(found, torch.Tensor) or not found.is_floating_point():
        return isinstance(found, torch.Tensor)
    if value.op == "get_attr" and value.graph.owning_module is not None:
        constant = operator.attrgetter(str(value.target))(value.graph.owning_module)
        return bool((constant == constant.round()).all())
    if value.target in _ROUND:
        return argument(value, 2, "rounding_mode", "floor") is not None
    if value.target in _MAKE_WHOLE:
        return True
    return value.target in _KEEP_WHOLE and depth > 0 and _is_whole([*value.args, *value.kwargs.values()], depth - 1)


def _cast(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    before, after = source.meta["val"].dtype, node.meta["val"].dtype
    if before == after and not before.is_floating_point and "output" not in {user.op for user in node.users}:
        return source  # type: ignore[no-any-return]  # the integers as they are
    if source.target in (aten.to.dtype, aten._to_copy.default) and not before.is_floating_point:
        first: Any = source.args[0]
        if first.meta["val"].dtype == torch.bool:  # a mask by way of integers
            return emit(aten.to.dtype, first, after)
    integers = not after.is_floating_point and after != torch.bool
    if not before.is_floating_point or not integers or not _is_whole(source):
        return None
    return emit(aten.to.dtype, emit(aten.round.default, source), after)


CASTS: Mapping[Any, Replacement] = MappingProxyType({aten.to.dtype: _cast})
"""By aten target, what is written instead."""
