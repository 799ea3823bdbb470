"""Logic on masks, written as ops that ExecuTorch can build: :data:`LOGIC`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement

__all__ = ["LOGIC"]

aten = torch.ops.aten


def _is_bool(*nodes: Any) -> bool:
    return all(isinstance(node, FxNode) and node.meta["val"].dtype == torch.bool for node in nodes)


def _on_masks(target: Any) -> Replacement:
    """The bitwise op in place of the logical one, or the other way round: the same where all are masks."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        return emit(target, *node.args) if _is_bool(*node.args) else None

    return rewritten


def _all(target: Any) -> Replacement:
    """All are true where none is not: ``target`` is the form of ``any`` with the same arguments."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        if not _is_bool(node.args[0]):
            return None
        inverse = emit(aten.logical_not.default, node.args[0])
        return emit(aten.logical_not.default, emit(target, inverse, *node.args[1:]))

    return rewritten


LOGIC: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.logical_or.default: _on_masks(aten.bitwise_or.Tensor),
        aten.logical_xor.default: _on_masks(aten.bitwise_xor.Tensor),
        aten.bitwise_not.default: _on_masks(aten.logical_not.default),
        aten.all.default: _all(aten.any.default),
        aten.all.dim: _all(aten.any.dim),
        aten.all.dims: _all(aten.any.dims),
    }
)
"""By aten target, what is written instead."""
