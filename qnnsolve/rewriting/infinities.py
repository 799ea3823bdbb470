"""Infinite values that a softmax hides, as numbers, before annotation: :func:`bound_infinities`.

A mask writes minus infinity (or the least float) into scores that a softmax reads. No scale holds that, and no sum of
two masks. It becomes :data:`MASK`, and how far a scale reaches down to it is found in calibration
(:class:`qnnsolve.annotating.mask_observers.MaskObserver`). ExecuTorch's own quantizer writes the whole integer range
instead, -65535 at 16 bits, which leaves the scores in steps of 1. A Llama-style decoder at 16a8w then falls from 30 dB
to 17 dB, converted and on the emulator (QNN 2.51).
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.host.values import has_values
from qnnsolve.rewriting.masked_values import ENDLESS
from qnnsolve.rewriting.masking import masking

__all__ = ["HALF_MASK", "MASK", "bound_infinities"]

MASK = ENDLESS
"""Stands for infinity. Sums of such numbers are numbers, and no score is as low."""
HALF_MASK = 3e4
"""The same where activations stay in half precision, which ends at 65504."""


def bound_infinities(model: GraphModule, half: bool = False) -> GraphModule:
    """Replace infinite numbers and constants that a softmax hides by finite ones, in place; returns ``model``.

    With ``half``, what lies beyond half precision counts as infinite. Constants get new buffers (``bounded_constant_0``
    ...), since the model that was exported shares the old ones. Left alone: what anything else sees, parameters, and
    tensors that the model writes to.
    """
    beyond, mask = (torch.finfo(torch.float16).max, HALF_MASK) if half else (ENDLESS, MASK)
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    for node in masking(model).hidden:
        if node.op == "call_function":
            node.args = tuple(_bounded(argument, beyond, mask) for argument in node.args)
            node.kwargs = {key: _bounded(argument, beyond, mask) for key, argument in node.kwargs.items()}
        elif node.op == "get_attr" and node.target not in parameters and not any(map(_writes, node.users)):
            _bound_constant(model, node, beyond, mask)
    model.recompile()
    return model


def _writes(user: FxNode) -> bool:
    return isinstance(user.target, torch._ops.OpOverload) and user.target._schema.is_mutable


def _bounded(argument: Any, beyond: float, mask: float) -> Any:
    if isinstance(argument, float) and abs(argument) >= beyond:
        return mask if argument > 0 else -mask
    return argument


def _bound_constant(model: GraphModule, node: FxNode, beyond: float, mask: float) -> None:
    value = operator.attrgetter(str(node.target))(model)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not has_values(value):
        return
    low, high = value <= -beyond, value >= beyond
    if not bool((low | high).any()):
        return
    number = sum(name.startswith("bounded_constant_") for name, _ in model.named_buffers())
    name = f"bounded_constant_{number}"
    model.register_buffer(name, value.detach().masked_fill(low, -mask).masked_fill(high, mask))
    node.target = name
