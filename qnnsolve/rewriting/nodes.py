"""What a node of a graph calls, and what a constant holds: :func:`op_name`, :func:`constant_of`."""

from __future__ import annotations

import functools
import operator

import torch
from torch.fx import Node as FxNode

from qnnsolve.host.values import has_values

__all__ = ["constant_of", "op_name"]


def op_name(node: FxNode) -> str:
    """``add`` for every overload of ``aten.add``; empty for what is no op of torch's."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return _undotted(target._name)
    return "getitem" if target is operator.getitem else ""


@functools.cache
def _undotted(name: str) -> str:
    """``add`` of ``aten::add.Tensor``; the overload's own hash is slow."""
    return name.partition("::")[2].partition(".")[0]


def constant_of(node: object) -> torch.Tensor | None:
    """The float tensor that a ``get_attr`` of a graph reads, if it has values."""
    if not isinstance(node, FxNode) or node.op != "get_attr" or node.graph.owning_module is None:
        return None
    value = operator.attrgetter(str(node.target))(node.graph.owning_module)
    return value if isinstance(value, torch.Tensor) and value.is_floating_point() and has_values(value) else None
