"""The sizes of a graph's inputs: which may vary, and a check that they are those they were fixed at."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils._sympy.symbol import SymT, symbol_is_type

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.facts.fx import code_line

__all__ = ["FixedSizes", "exported_size", "range_text", "refuse_unbounded", "sizes_vary"]


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


def refuse_unbounded(model: GraphModule) -> None:
    """Refuse a size that values decide, where nothing bounds it: no memory can be planned for it.

    Raises:
        UnsupportedGraphError: a node has such a size.
    """
    for node in model.graph.nodes:
        value = node.meta.get("val")
        made = value if isinstance(value, (tuple, list)) else (value,)
        sizes = [size for each in made if isinstance(each, torch.Tensor) for size in each.shape]
        if node.op == "call_function" and any(isinstance(size, torch.SymInt) and _unbounded(size) for size in sizes):
            line = code_line(node.meta.get("stack_trace") or "")
            where = "" if line is None else f": {line}"
            raise UnsupportedGraphError(node.name, f"{_UNBOUNDED}{where}")


_UNBOUNDED = (
    "the values of a tensor decide its size, and nothing bounds it; give it a fixed one "
    "(repeat_interleave(..., output_size=12), one_hot(i, 12).sum(0) for bincount), or mask"
)


def _unbounded(size: torch.SymInt) -> bool:
    """Whether the size is one that values decide, of which torch knows no largest one."""
    symbols = size.node.expr.free_symbols
    decided = any(symbol_is_type(symbol, SymT.UNBACKED_INT) for symbol in symbols)
    return decided and _largest(size) is None


def _largest(size: torch.SymInt) -> int | None:
    """None where there is none: to torch (2.13) its ``int_oo`` is finite, too."""
    upper = size.node.shape_env.bound_sympy(size.node.expr).upper
    return int(upper) if upper.is_finite and upper < 2**31 else None


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
    upper = _largest(size)
    return "any" if upper is None else f"up to {upper}"
