"""Ops of torch that yield a copy where another one yields a view: :data:`COPIES`.

With encodings every tensor is one of its own, so the two are the same, and ExecuTorch has builders for the views alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement

__all__ = ["COPIES"]

aten = torch.ops.aten
_VIEWS = (
    aten.alias.default,
    aten.detach.default,
    aten.expand.default,
    aten.narrow.default,
    aten.permute.default,
    aten.select.int,
    aten.slice.Tensor,
    aten.split.Tensor,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.t.default,
    aten.transpose.int,
    aten.unbind.int,
    aten.view.default,
)


def _viewed(view: Any) -> Replacement:
    def rewritten(_: Emitter, node: FxNode) -> None:
        node.target = aten.reshape.default if view is aten.view.default else view

    return rewritten


def _copy(emit: Emitter, node: FxNode) -> FxNode:
    """The second argument in the dtype and shape of the first, of which nothing else is read."""
    into, source = (each.meta["val"] for each in node.args[:2])  # type: ignore[union-attr]  # both are tensors
    made: Any = node.args[1]
    if source.dtype != into.dtype:
        made = emit(aten.to.dtype, made, into.dtype)
    if source.shape != into.shape:
        made = emit(aten.expand.default, made, list(into.shape))
    return made if made is not node.args[1] else emit(aten.clone.default, made)


def _fill(emit: Emitter, node: FxNode) -> FxNode:
    into: Any = node.args[0]
    value: Any = node.args[1]
    if not isinstance(value, FxNode):
        return emit(aten.full_like.default, into, value)
    if value.meta["val"].dtype != into.meta["val"].dtype:
        value = emit(aten.to.dtype, value, into.meta["val"].dtype)
    return emit(aten.expand.default, value, list(into.meta["val"].shape))


def _copying(view: Any) -> Any:
    """The op that copies what ``view`` shows; its overload may bear another name."""
    packet = getattr(aten, f"{view._schema.name.removeprefix('aten::')}_copy")
    return getattr(packet, view._overloadname)


COPIES: Mapping[Any, Replacement] = MappingProxyType(
    {
        **{_copying(view): _viewed(view) for view in _VIEWS},
        aten.copy.default: _copy,
        aten.fill.Scalar: _fill,
        aten.fill.Tensor: _fill,
    }
)
"""By aten target, what is written instead."""
