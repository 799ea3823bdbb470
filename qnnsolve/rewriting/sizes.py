"""The sizes of a graph's inputs: which may vary, and a check that they are those they were fixed at."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError

__all__ = ["FixedSizes", "exported_size", "range_text", "sizes_vary"]


def sizes_vary(model: GraphModule) -> bool:
    """Whether an input of ``model`` is a size that varies, or has one."""
    return any(map(_varies, model.graph.nodes))


class FixedSizes(torch.nn.Module):
    """A check that each input has the shape that it was fixed at. It replaces torch's check, which lets sizes vary."""

    _is_impure = True
    """Tells torch that a call of it is no dead code, though nobody reads its result."""

    def __init__(self, shapes: tuple[tuple[str, tuple[int, ...] | None], ...]) -> None:
        super().__init__()
        self.shapes = shapes

    @classmethod
    def of(cls, model: GraphModule) -> FixedSizes:
        """For the inputs of ``model``, whose sizes are fixed."""
        inputs = (node for node in model.graph.nodes if node.op == "placeholder")
        values = ((node.name, node.meta.get("val")) for node in inputs)
        return cls(
            tuple((name, tuple(value.shape) if isinstance(value, torch.Tensor) else None) for name, value in values)
        )

    def forward(self, *inputs: Any) -> None:
        """Raise AssertionError for the first input of another shape."""
        for (name, shape), value in zip(self.shapes, inputs, strict=True):
            if shape is not None:
                found = tuple(value.shape)
                said = f"input {name} has the shape {found}; its sizes are fixed at {shape}"
                torch._assert(found == shape, said)  # type: ignore[no-untyped-call]  # torch's own


def _varies(node: Node) -> bool:
    """Whether ``node`` is an input that is a size that varies, or has one."""
    value = node.meta.get("val")
    sizes = value.shape if isinstance(value, torch.Tensor) else (value,)
    return node.op == "placeholder" and any(isinstance(size, torch.SymInt) for size in sizes)


def exported_size(node: Node, size: torch.SymInt) -> int:
    """The size that the model was exported with, in place of ``size``, which may vary.

    Raises:
        UnsupportedGraphError: nobody knows it.
    """
    hint = size.node.hint
    if hint is None:
        raise UnsupportedGraphError(node.name, f"its size {size} is not known; export the model with example inputs")
    return int(hint)


def range_text(size: torch.SymInt) -> str:
    """``up to 8``, or ``any``. The least size is left out: torch takes 2 for it in every graph just exported."""
    upper = size.node.shape_env.bound_sympy(size.node.expr).upper
    return f"up to {upper}" if upper.is_finite and upper < 2**31 else "any"
