"""Every float as float32: what is of another dtype, and what it becomes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node

__all__ = [
    "OTHER_FLOATS",
    "as_float32",
    "dtype_of",
    "dtyped",
    "input_casts",
    "is_cast",
    "is_other_float",
    "with_float32",
]

aten = torch.ops.aten

OTHER_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float64})
"""The floats that become float32."""
_CASTS = ("aten::to", "aten::_to_copy", "aten::type_as")
_LARGEST = torch.finfo(torch.float32).max


def input_casts(model: GraphModule) -> Iterator[Any]:
    """Yield each input that is read by a cast to float32 alone, and its edges to such casts.

    Samples come in the input's old dtype. torchao (0.18) quantizes no float64, so the quantizer observes and quantizes
    behind the cast only.
    """
    for node in model.graph.nodes:
        casts = [user for user in node.users if user.target is aten.to.dtype and user.args[1] is torch.float32]
        if casts and len(casts) == len(node.users) and node.op == "placeholder" and dtype_of(node) is torch.float32:
            yield from (node, *((node, cast) for cast in casts))


def dtyped(node: Node) -> Iterator[object]:
    """Yield what may be of another dtype: the value of ``node`` and its arguments, flat."""
    yield from torch.utils._pytree.tree_leaves((node.meta.get("val"), list(node.args), dict(node.kwargs)))


def is_other_float(value: object) -> bool:
    """Whether ``value`` is one of those dtypes, or a tensor of one."""
    return (
        value in OTHER_FLOATS
        if isinstance(value, torch.dtype)
        else isinstance(value, torch.Tensor) and value.dtype in OTHER_FLOATS
    )


def is_cast(node: Node) -> bool:
    """Whether ``node`` casts a tensor to another dtype."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.name in _CASTS


def dtype_of(node: object) -> object:
    """The dtype of what ``node`` yields; None where that is no tensor, or ``node`` no node."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    return value.dtype if isinstance(value, torch.Tensor) else None


def as_float32(dtype: torch.dtype) -> torch.dtype:
    """``dtype``, or float32 in place of another float."""
    return torch.float32 if dtype in OTHER_FLOATS else dtype


def with_float32(arguments: Any) -> Any:
    """``arguments`` with float32 for the dtypes, and numbers that float32 can hold."""
    if isinstance(arguments, (list, tuple)):
        made = [with_float32(each) for each in arguments]
        return made if isinstance(arguments, list) else tuple(made)
    if isinstance(arguments, dict):
        return {key: with_float32(value) for key, value in arguments.items()}
    if isinstance(arguments, torch.dtype):
        return as_float32(arguments)
    if isinstance(arguments, float) and _LARGEST < abs(arguments) < math.inf:
        return math.copysign(_LARGEST, arguments)
    return arguments
