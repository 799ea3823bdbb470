"""Ops that ExecuTorch cannot build, written before annotation as ops that it can: exactly equal, in float.

ExecuTorch rewrites many ops itself before they are annotated (``silu``, ``tan``, ``log1p`` ...). What it leaves is torn
up after annotation, with nothing quantized in between, or never built, or built wrongly: these are done here first, so
that every part gets an encoding of its own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.channel_norms import CHANNEL_NORMS
from qnnsolve.rewriting.channels import CHANNELS
from qnnsolve.rewriting.copies import COPIES
from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.indexing import INDEXING
from qnnsolve.rewriting.indices import INDICES
from qnnsolve.rewriting.integers import INTEGERS
from qnnsolve.rewriting.pooling import POOLINGS
from qnnsolve.rewriting.scalars import SCALARS, reduced
from qnnsolve.rewriting.sorting import SORTS
from qnnsolve.rewriting.tiles import SCALED
from qnnsolve.rewriting.transposed import TRANSPOSED

__all__ = ["REPLACED", "replace"]

aten = torch.ops.aten
_SELU = (1.6732632423543772, 1.0507009873554805)
"""Alpha and scale of SELU, as torch has them."""


def _is_bool(*nodes: Any) -> bool:
    return all(isinstance(node, FxNode) and node.meta["val"].dtype == torch.bool for node in nodes)


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


def _softplus_of(emit: Emitter, x: Any) -> FxNode:
    """``relu(x) + log1p(exp(-|x|))``: no part is larger than its result has to be."""
    small = emit(aten.exp.default, emit(aten.neg.default, emit(aten.abs.default, x)))
    return emit(aten.add.Tensor, emit(aten.relu.default, x), emit(aten.log1p.default, small))


def _softplus(emit: Emitter, node: FxNode) -> FxNode | None:
    usual = (argument(node, 1, "beta", 1), argument(node, 2, "threshold", 20)) == (1, 20)
    return _softplus_of(emit, node.args[0]) if usual else None


def _mish(emit: Emitter, node: FxNode) -> FxNode:
    return emit(aten.mul.Tensor, node.args[0], emit(aten.tanh.default, _softplus_of(emit, node.args[0])))


def _log_sigmoid(emit: Emitter, node: FxNode) -> FxNode:
    return emit(aten.neg.default, _softplus_of(emit, emit(aten.neg.default, node.args[0])))


def _selu(emit: Emitter, node: FxNode) -> FxNode:
    return emit(aten.mul.Tensor, emit(aten.elu.default, node.args[0], _SELU[0]), _SELU[1])


def _elu(emit: Emitter, node: FxNode) -> FxNode | None:
    """The outer scale by itself, which ExecuTorch's builder drops."""
    scale = argument(node, 2, "scale", 1)
    if scale == 1 or argument(node, 3, "input_scale", 1) != 1:
        return None
    return emit(aten.mul.Tensor, emit(aten.elu.default, node.args[0], argument(node, 1, "alpha", 1)), scale)


def _clamp(emit: Emitter, node: FxNode) -> FxNode | None:
    low, high = argument(node, 1, "min"), argument(node, 2, "max")
    raised = node.args[0] if low is None else emit(aten.maximum.default, node.args[0], low)
    return raised if high is None else emit(aten.minimum.default, raised, high)  # type: ignore[return-value]


def _round(emit: Emitter, node: FxNode) -> FxNode:
    factor = float(10 ** argument(node, 1, "decimals", 0))
    rounded = emit(aten.round.default, emit(aten.mul.Tensor, node.args[0], factor))
    return emit(aten.div.Tensor, rounded, factor)


def _fmod(emit: Emitter, node: FxNode) -> FxNode | None:
    if not node.meta["val"].is_floating_point():
        return None
    whole = emit(aten.trunc.default, emit(aten.div.Tensor, *node.args))
    return emit(aten.sub.Tensor, node.args[0], emit(aten.mul.Tensor, whole, node.args[1]))


def _log_add_exp(emit: Emitter, node: FxNode) -> FxNode:
    apart = emit(aten.neg.default, emit(aten.abs.default, emit(aten.sub.Tensor, *node.args)))
    tail = emit(aten.log1p.default, emit(aten.exp.default, apart))
    return emit(aten.add.Tensor, emit(aten.maximum.default, *node.args), tail)


def _log_sum_exp(emit: Emitter, node: FxNode) -> FxNode:
    source, dims, keep = node.args[0], node.args[1], argument(node, 2, "keepdim", False)
    below = emit(aten.sub.Tensor, source, emit(aten.amax.default, source, dims, True))
    total = emit(aten.sum.dim_IntList, emit(aten.exp.default, below), dims, keep)
    return emit(aten.add.Tensor, emit(aten.log.default, total), emit(aten.amax.default, source, dims, keep))


def _acosh(emit: Emitter, node: FxNode) -> FxNode:
    """``log(x + sqrt((x - 1) (x + 1)))``: near 1, one step of ExecuTorch's ``x * x - 1`` is 0.05 of the result."""
    x = node.args[0]
    squared = emit(aten.mul.Tensor, emit(aten.sub.Tensor, x, 1.0), emit(aten.add.Tensor, x, 1.0))
    return emit(aten.log.default, emit(aten.add.Tensor, x, emit(aten.sqrt.default, squared)))


def _cosine_similarity(emit: Emitter, node: FxNode) -> FxNode:
    first, second = node.args[:2]
    dim, least = argument(node, 2, "dim", 1), argument(node, 3, "eps", 1e-8)

    def product(one: Any, other: Any) -> FxNode:
        return reduced(emit, aten.sum.dim_IntList, emit(aten.mul.Tensor, one, other), [dim])

    lengths = (emit(aten.clamp.default, emit(aten.sqrt.default, product(x, x)), least) for x in (first, second))
    return emit(aten.div.Tensor, product(first, second), emit(aten.mul.Tensor, *lengths))


def _power_of_a_number(emit: Emitter, node: FxNode) -> FxNode | None:
    """``exp(x log(base))``: the accelerator computes one element only of a base that is broadcast."""
    base, exponent = node.args
    if not isinstance(base, int | float) or base <= 0 or not exponent.meta["val"].is_floating_point():  # type: ignore[union-attr]
        return None
    return emit(aten.exp.default, emit(aten.mul.Tensor, exponent, math.log(base)))


def _roll(emit: Emitter, node: FxNode) -> FxNode | None:
    """By what is left of each shift, along dimensions counted from the front.

    ExecuTorch 1.5.1 (``decompose_roll.py``) takes dimensions counted from the back for the first one, without a word.
    """
    source: Any = node.args[0]
    shifts: Any = node.args[1]
    dims = argument(node, 2, "dims", [])
    if not dims:
        return None
    shape = source.meta["val"].shape
    pairs = [(dim % len(shape), shift % shape[dim]) for dim, shift in zip(dims, shifts, strict=True)]
    moved = [(dim, shift) for dim, shift in pairs if shift]
    if not moved:
        return source  # type: ignore[no-any-return]
    node.args, node.kwargs = (source, [shift for _, shift in moved], [dim for dim, _ in moved]), {}
    return None


def _permutation(emit: Emitter, node: FxNode) -> FxNode | None:
    """Nothing, where every dimension stays in its place: einsum permutes vectors so, and HTP transposes none."""
    source: Any = node.args[0]
    order: Any = node.args[1]
    rank = source.meta["val"].dim()
    return source if [dim % rank for dim in order] == list(range(rank)) else None


def _on_masks(target: Any) -> Replacement:
    """The bitwise op in place of the logical one, or the other way round: the same where all are masks."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        return emit(target, *node.args) if _is_bool(*node.args) else None

    return rewritten


def _all(target: Any) -> Replacement:
    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        if not _is_bool(node.args[0]):
            return None
        inverse = emit(aten.logical_not.default, node.args[0])
        return emit(aten.logical_not.default, emit(target, inverse, *node.args[1:]))

    return rewritten


REPLACED: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.max.dim: _extreme(aten.amax.default, aten.argmax.default),
        aten.min.dim: _extreme(aten.amin.default, aten.argmin.default),
        aten.max.default: _over_all(aten.amax.default),
        aten.min.default: _over_all(aten.amin.default),
        aten.mean.default: _over_all(aten.mean.dim),
        aten.sum.default: _over_all(aten.sum.dim_IntList),
        aten.softplus.default: _softplus,
        aten.mish.default: _mish,
        aten.log_sigmoid.default: _log_sigmoid,
        aten.selu.default: _selu,
        aten.elu.default: _elu,
        aten.clamp.Tensor: _clamp,
        aten.round.decimals: _round,
        aten.fmod.Scalar: _fmod,
        aten.fmod.Tensor: _fmod,
        aten.logaddexp.default: _log_add_exp,
        aten.logsumexp.default: _log_sum_exp,
        aten.acosh.default: _acosh,
        aten.cosine_similarity.default: _cosine_similarity,
        aten.roll.default: _roll,
        aten.pow.Scalar: _power_of_a_number,
        **POOLINGS,
        **SORTS,
        **CHANNELS,
        **COPIES,
        **INDICES,
        **INDEXING,
        **INTEGERS,
        **TRANSPOSED,
        **CHANNEL_NORMS,
        **SCALARS,
        **SCALED,
        aten.permute.default: _permutation,
        aten.logical_or.default: _on_masks(aten.bitwise_or.Tensor),
        aten.logical_xor.default: _on_masks(aten.bitwise_xor.Tensor),
        aten.bitwise_not.default: _on_masks(aten.logical_not.default),
        aten.all.default: _all(aten.any.default),
        aten.all.dim: _all(aten.any.dim),
        aten.all.dims: _all(aten.any.dims),
    }
)
"""By aten target, what is written instead."""


def replace(module: GraphModule) -> GraphModule:
    """``module`` itself, with every node of a target in :data:`REPLACED` replaced where its form allows it.

    Each node has its fake value, as exported.
    """
    changed = False
    for node in list(module.graph.nodes):
        rule = REPLACED.get(node.target) if node.op == "call_function" else None
        if rule is None:
            continue
        made = rule(Emitter(node), node)
        changed = True
        if made is not None:
            node.replace_all_uses_with(made)
        if not node.users:
            module.graph.erase_node(node)
    if changed:
        module.recompile()
    return module
