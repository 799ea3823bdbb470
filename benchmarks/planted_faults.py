"""Faults that are planted into converted models, to see whether they are found.

A weight whose scale is four times what it should be, and an op whose output is on a grid of 4 bits.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.fx import GraphModule, Node

__all__ = ["coarse_output", "wrong_weight_scale"]

WRONG = 4
"""What the scale of a weight is multiplied with."""
COARSE = 16
"""How much wider the steps of an op's output are: as if an 8-bit encoding had 4 bits."""


def wrong_weight_scale(converted: GraphModule, name: str) -> None:
    """Multiply the scale of the weight that the node ``name`` reads; in place.

    Raises:
        LookupError: it reads no quantized weight.
    """
    for node in _node(converted, name).all_input_nodes:
        if "dequantize_per" in str(node.target) and node.all_input_nodes[0].op == "get_attr":
            scale: Any = node.args[1]
            if isinstance(scale, Node):
                _set(converted, str(scale.target), getattr(converted, str(scale.target)) * WRONG)
            else:
                node.args = (node.args[0], scale * WRONG, *node.args[2:])
                converted.recompile()
            return
    raise LookupError(f"{name} reads no quantized weight")


def coarse_output(converted: GraphModule, name: str) -> None:
    """Widen the steps of the encoding in which the node ``name`` is computed, around the same zero; in place.

    Raises:
        LookupError: its output is not quantized.
    """
    quantized = [user for user in _node(converted, name).users if "quantize_per_tensor" in str(user.target)]
    if not quantized:
        raise LookupError(f"the output of {name} is not quantized")
    for each in quantized:
        for node in (each, *each.users):
            scale, zero, low, *rest = cast("tuple[Any, ...]", node.args[1:])
            centre = low + (zero - low) // COARSE
            node.args = (node.args[0], scale * COARSE, centre, low, *rest)
    converted.recompile()


def _node(converted: GraphModule, name: str) -> Node:
    found: Node = next(node for node in converted.graph.nodes if node.name == name)
    return found


def _set(module: GraphModule, name: str, value: torch.Tensor) -> None:
    setattr(module, name, value)
