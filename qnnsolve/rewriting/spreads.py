"""Standard deviations and variances, as the one variance that ExecuTorch takes apart: :data:`SPREADS`.

That is ``aten.var.correction`` (``decompose_var.py``, 1.5.1), with its dimensions named. The others are torn up in
lowering, after annotation, so that nothing in between has an encoding.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["SPREADS"]

aten = torch.ops.aten


def _over(node: FxNode) -> tuple[list[int], Any, bool]:
    """Over which dimensions, by how many fewer than there are values, and whether they are kept."""
    overload = str(node.target).rpartition(".")[2]
    source: Any = node.args[0]
    dims = None if overload == "default" else argument(node, 1, "dim")
    over = list(dims) if dims else list(range(source.meta["val"].dim()))
    if overload == "correction":
        correction = node.kwargs.get("correction")
        return over, 1 if correction is None else correction, bool(node.kwargs.get("keepdim", False))
    unbiased = argument(node, 2 if overload == "dim" else 1, "unbiased", True)
    return over, int(bool(unbiased)), bool(argument(node, 3, "keepdim", False)) if overload == "dim" else False


def _spread(emit: Emitter, node: FxNode, root: bool) -> FxNode:
    dims, correction, keep = _over(node)
    variance = emit(aten.var.correction, node.args[0], dims, correction=correction, keepdim=keep)
    return emit(aten.sqrt.default, variance) if root else variance


def _alone(root: bool) -> Replacement:
    return lambda emit, node: _spread(emit, node, root)


def _with_mean(root: bool) -> Replacement:
    """The two results apart."""

    def rewritten(emit: Emitter, node: FxNode) -> None:
        for user in list(node.users):
            if user.target is operator.getitem:
                dims, _, keep = _over(node)
                first = user.args[1] == 0
                made = _spread(emit, node, root) if first else emit(aten.mean.dim, node.args[0], dims, keep)
                user.replace_all_uses_with(made)
                user.graph.erase_node(user)

    return rewritten


SPREADS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.var.default: _alone(root=False),
        **{getattr(aten.std, each): _alone(root=True) for each in ("default", "dim", "correction")},
        **{getattr(aten.var_mean, each): _with_mean(root=False) for each in ("default", "dim", "correction")},
        **{getattr(aten.std_mean, each): _with_mean(root=True) for each in ("default", "dim", "correction")},
    }
)
"""By aten target, what is written instead."""
