"""Infinite values as numbers that integers can stand for, before annotation: :func:`bound_infinities`.

A mask writes minus infinity (or the least float) into scores that a softmax reads. No scale holds that: it becomes
:data:`MASK`. ExecuTorch's own quantizer writes the whole integer range instead, -65535 at 16 bits, which leaves the
scores in steps of 1. A Llama-style decoder at 16a8w then falls from 30 dB to 17 dB, converted and on the emulator
(QNN 2.51).
"""

from __future__ import annotations

import operator

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

__all__ = ["MASK", "bound_infinities"]

aten = torch.ops.aten
MASK = 255.0
"""Stands for infinity, in real units: exp(-255) is nothing in any precision, and 16 bits over it are steps of 0.004."""
_LIMITS = torch.finfo(torch.float16)
"""What lies beyond is as good as infinite: masks are written as the least value of some float dtype."""
_WRITERS = frozenset(
    {
        *(aten.masked_fill.Scalar, aten.scalar_tensor.default, aten.where.ScalarSelf, aten.where.ScalarOther),
        *(aten.full.default, aten.full_like.default, aten.new_full.default, aten.add.Scalar, aten.add.Tensor),
        *(aten.mul.Scalar, aten.mul.Tensor, aten.sub.Tensor),
    }
)
"""Ops whose plain numbers become values of their result."""


def bound_infinities(model: GraphModule) -> GraphModule:
    """Replace infinite numbers and constants by plus or minus :data:`MASK`, in place; returns ``model``.

    Constants get new buffers (``bounded_constant_0`` ...), since the model that was exported shares the old ones.
    Left alone: parameters, and tensors that the model writes to.
    """
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for node in list(model.graph.nodes):
        if node.op == "call_function" and node.target in _WRITERS and _is_float(node):
            node.args = tuple(_bounded(argument) for argument in node.args)
        elif node.op == "get_attr" and node.target not in parameters and not any(map(_writes, node.users)):
            _bound_constant(model, node)
    model.recompile()
    return model


def _is_float(node: FxNode) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _writes(user: FxNode) -> bool:
    return isinstance(user.target, torch._ops.OpOverload) and user.target._schema.is_mutable


def _bounded(argument: object) -> object:
    if isinstance(argument, float) and not _LIMITS.min < argument < _LIMITS.max:
        return MASK if argument > 0 else -MASK
    return argument


def _bound_constant(model: GraphModule, node: FxNode) -> None:
    value = operator.attrgetter(str(node.target))(model)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return
    low, high = value <= _LIMITS.min, value >= _LIMITS.max
    if not bool((low | high).any()):
        return
    number = sum(name.startswith("bounded_constant_") for name, _ in model.named_buffers())
    name = f"bounded_constant_{number}"
    model.register_buffer(name, value.detach().masked_fill(low, -MASK).masked_fill(high, MASK))
    node.target = name
