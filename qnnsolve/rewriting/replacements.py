"""Ops that ExecuTorch cannot build, written before annotation as ops that it can: exactly equal, in float.

ExecuTorch rewrites many ops itself before they are annotated (``silu``, ``tan``, ``log1p`` ...). Composites that it
leaves are taken apart after annotation, with nothing quantized in between, or are not built, or built wrongly. These
are done here first, so that every part gets an encoding of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.casts import CASTS
from qnnsolve.rewriting.channel_norms import CHANNEL_NORMS
from qnnsolve.rewriting.channels import CHANNELS, slopes
from qnnsolve.rewriting.convolutions import CONVOLUTIONS
from qnnsolve.rewriting.copies import COPIES
from qnnsolve.rewriting.elementwise import ELEMENTWISE
from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.indexing import INDEXING
from qnnsolve.rewriting.indices import INDICES
from qnnsolve.rewriting.integers import INTEGERS
from qnnsolve.rewriting.logic import LOGIC
from qnnsolve.rewriting.pooling import POOLINGS
from qnnsolve.rewriting.products import PRODUCTS
from qnnsolve.rewriting.reductions import REDUCTIONS
from qnnsolve.rewriting.resizes import RESIZES
from qnnsolve.rewriting.scalars import SCALARS
from qnnsolve.rewriting.softmaxes import SOFTMAXES
from qnnsolve.rewriting.sorting import SORTS
from qnnsolve.rewriting.spreads import SPREADS
from qnnsolve.rewriting.tiles import SCALED
from qnnsolve.rewriting.transposed import TRANSPOSED

__all__ = ["REPLACED", "replace"]

aten = torch.ops.aten


def _roll(emit: Emitter, node: FxNode) -> FxNode | None:
    """By what is left of each shift, along dimensions counted from the front.

    ExecuTorch 1.5.1 (``decompose_roll.py``) silently takes dimensions counted from the back for the first one.
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


REPLACED: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.roll.default: _roll,
        **ELEMENTWISE,
        **REDUCTIONS,
        **LOGIC,
        **POOLINGS,
        **SORTS,
        **CHANNELS,
        **COPIES,
        **INDICES,
        **INDEXING,
        **INTEGERS,
        **CASTS,
        **RESIZES,
        **TRANSPOSED,
        **CONVOLUTIONS,
        **CHANNEL_NORMS,
        **SCALARS,
        **SCALED,
        **SPREADS,
        **PRODUCTS,
        **SOFTMAXES,
        aten.permute.default: _permutation,
    }
)
"""By aten target, what is written instead."""


def replace(module: GraphModule) -> GraphModule:
    """``module`` itself, with every node of a target in :data:`REPLACED` replaced where its form allows it.

    Each node has its fake value, as exported.
    """
    one, other = _replace(module, REPLACED), _replace(module, slopes(module))
    if one or other:
        module.recompile()
    return module


def _replace(module: GraphModule, replaced: Mapping[Any, Replacement]) -> bool:
    """Whether there was anything to replace."""
    changed = False
    for node in list(module.graph.nodes):
        rule = replaced.get(node.target) if node.op == "call_function" else None
        if rule is None:
            continue
        made = rule(Emitter(node), node)
        changed = True
        if made is not None:
            node.replace_all_uses_with(made)
        if not node.users:
            _erase(module, node)
    return changed


def _erase(module: GraphModule, node: FxNode) -> None:
    """Take ``node`` out, and the casts that nobody else reads."""
    read = node.all_input_nodes
    module.graph.erase_node(node)
    for source in read:
        if source.target is aten.to.dtype and not source.users:
            _erase(module, source)
