"""What ExecuTorch's pass on divisions with a rounding mode does with integers (1.5.1, ``decompose_div_mode.py``).

It makes divisions of floats of them and a floor, which are inexact beyond 2**24. Without it they stay on the CPU:
nothing builds them for the accelerator.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from executorch.backends.qualcomm._passes import DecomposeDivMode

__all__ = ["keep_whole", "take_apart"]


def keep_whole() -> None:
    """Let the pass leave integers out, until :func:`take_apart`."""
    original = DecomposeDivMode.call
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def call(self: Any, graph_module: Any) -> Any:
        kept = {}
        for node in graph_module.graph.nodes:
            if node.target in self.targets and not node.meta["val"].is_floating_point():
                kept[node], node.target = node.target, torch.ops.aten.divide.Tensor_mode  # the same, by another name
        result = original(self, graph_module)
        for node, target in kept.items():
            node.target = target
        graph_module.recompile()
        return result

    DecomposeDivMode.call = call


def take_apart() -> None:
    """Let it take all apart, as it comes."""
    DecomposeDivMode.call = getattr(DecomposeDivMode.call, "__wrapped__", DecomposeDivMode.call)
