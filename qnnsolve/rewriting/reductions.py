"""Reductions, written as ops that ExecuTorch can build: :data:`REDUCTIONS`."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.scalars import reduced

__all__ = ["REDUCTIONS"]

aten = torch.ops.aten


def _extreme(values: Any, indices: Any) -> Replacement:
    """Values and indices apart: ExecuTorch 1.5.1 does so where it still knows which Python function was called, and
    crashes its compiler otherwise."""

    def rewritten(emit: Emitter, node: FxNode) -> None:
        dim, keep = node.args[1], argument(node, 2, "keepdim", False)
        for user in list(node.users):
            if user.target is operator.getitem:
                first = user.args[1] == 0
                made = emit(values, node.args[0], [dim], keep) if first else emit(indices, node.args[0], dim, keep)
                user.replace_all_uses_with(made)
                user.graph.erase_node(user)

    return rewritten


def _over_all(target: Any) -> Replacement:
    """Over every dimension, named; a dtype to compute in is left alone."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        source = node.args[0]
        assert isinstance(source, FxNode)
        rank = source.meta["val"].dim()
        if not rank or source.meta["val"].dtype != node.meta["val"].dtype or node.kwargs:
            return None
        dims = list(range(rank))
        apart = rank == 1 or source.target is aten.mul.Tensor
        return reduced(emit, target, source, dims) if apart else emit(target, source, dims, False)

    return rewritten


def _log_sum_exp(emit: Emitter, node: FxNode) -> FxNode:
    source, dims, keep = node.args[0], node.args[1], argument(node, 2, "keepdim", False)
    below = emit(aten.sub.Tensor, source, emit(aten.amax.default, source, dims, True))
    total = emit(aten.sum.dim_IntList, emit(aten.exp.default, below), dims, keep)
    return emit(aten.add.Tensor, emit(aten.log.default, total), emit(aten.amax.default, source, dims, keep))


def _cosine_similarity(emit: Emitter, node: FxNode) -> FxNode:
    first, second = node.args[:2]
    dim, least = argument(node, 2, "dim", 1), argument(node, 3, "eps", 1e-8)

    def product(one: Any, other: Any) -> FxNode:
        return reduced(emit, aten.sum.dim_IntList, emit(aten.mul.Tensor, one, other), [dim])

    lengths = (emit(aten.clamp.default, emit(aten.sqrt.default, product(x, x)), least) for x in (first, second))
    return emit(aten.div.Tensor, product(first, second), emit(aten.mul.Tensor, *lengths))


REDUCTIONS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.max.dim: _extreme(aten.amax.default, aten.argmax.default),
        aten.min.dim: _extreme(aten.amin.default, aten.argmin.default),
        aten.max.default: _over_all(aten.amax.default),
        aten.min.default: _over_all(aten.amin.default),
        aten.mean.default: _over_all(aten.mean.dim),
        aten.sum.default: _over_all(aten.sum.dim_IntList),
        aten.logsumexp.default: _log_sum_exp,
        aten.cosine_similarity.default: _cosine_similarity,
    }
)
"""By aten target, what is written instead."""
