"""What a converted graph says of its outputs: the encoding of each, and which depend on random numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qnnsolve.verification.comparison import OutputGrid

if TYPE_CHECKING:
    import torch

__all__ = ["is_stateless", "output_grids", "output_leaves", "quantized_outputs", "random_outputs"]


def is_stateless(converted: Callable[..., Any]) -> bool:
    """Whether a graph keeps nothing from one run to the next: it calls ops alone, and none of them writes anywhere."""
    import torch

    if not isinstance(converted, torch.fx.GraphModule):
        return False
    called = [node.target for node in converted.graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    ops = [each for each in called if each is not operator.getitem]
    return all(isinstance(op, torch._ops.OpOverload) and not op._schema.is_mutable for op in ops)


def random_outputs(converted: Callable[..., Any]) -> frozenset[int]:
    """Which flat outputs of a graph depend on random numbers, new ones on each run; none for what is no graph.

    A buffer that such numbers are written to counts, too.
    """
    return _hanging_on(converted, _draws)


def quantized_outputs(converted: Callable[..., Any]) -> frozenset[int] | None:
    """Which flat outputs depend on something that is quantized, weights included; None for what is no graph."""
    import torch

    return _hanging_on(converted, _quantizes) if isinstance(converted, torch.fx.GraphModule) else None


def _hanging_on(converted: Callable[..., Any], kind: Callable[[torch.fx.Node], bool]) -> frozenset[int]:
    """The flat outputs that a node of this ``kind`` reaches, also through a buffer."""
    import torch

    if not isinstance(converted, torch.fx.GraphModule):
        return frozenset()
    reached: set[str] = set()
    before = -1
    while (
        len(reached) > before
    ):  # what is written to a buffer reaches those who read it earlier in the graph, one run on
        before = len(reached)
        for node in converted.graph.nodes:
            read = _attribute(node) in reached or any(each.name in reached for each in node.all_input_nodes)
            if read or kind(node):
                reached.add(node.name)
                if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
                    reached.update(_attribute(each) or each.name for each in node.all_input_nodes[:1])
    return frozenset(
        index
        for index, leaf in enumerate(output_leaves(converted))
        if isinstance(leaf, torch.fx.Node) and leaf.name in reached
    )


def _quantizes(node: torch.fx.Node) -> bool:
    return "quantize_per_" in str(node.target) or "quantize_affine" in str(node.target)


_SWITCHES = {"train": False, "training": False, "p": 0, "dropout": 0, "dropout_p": 0}
"""Arguments of torch's random ops, and the values at which they draw nothing."""


def _draws(node: torch.fx.Node) -> bool:
    """Whether ``node`` makes random numbers; attention without dropout, or dropout in evaluation mode, does not."""
    import torch

    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or torch.Tag.nondeterministic_seeded not in target.tags:
        return False
    declared = target._schema.arguments
    given = {each.name: each.default_value for each in declared if each.has_default_value()}
    given |= dict(zip((each.name for each in declared), node.args, strict=False)) | node.kwargs
    return not any(name in given and given[name] == off for name, off in _SWITCHES.items())


def _attribute(node: torch.fx.Node) -> str | None:
    """The name of the buffer that ``node`` reads, marked as such; None for any other node."""
    return f"get_attr {node.target}" if node.op == "get_attr" else None


def output_leaves(converted: torch.fx.GraphModule) -> list[Any]:
    """What the graph returns, flat and in order."""
    from torch.utils import _pytree as pytree

    (output,) = (node for node in converted.graph.nodes if node.op == "output")
    return [leaf for leaf in pytree.tree_leaves(output.args[0]) if leaf is not None]


def output_grids(converted: Callable[..., Any]) -> tuple[OutputGrid | None, ...]:
    """Per flat output of a converted model, the encoding that it is dequantized from, where it is.

    Empty for what is no graph.
    """
    import torch

    if not isinstance(converted, torch.fx.GraphModule):
        return ()
    leaves = output_leaves(converted)
    return tuple(_grid(leaf) if isinstance(leaf, torch.fx.Node) else None for leaf in leaves)


def _grid(node: torch.fx.Node) -> OutputGrid | None:
    """Of a ``dequantize_per_tensor(values, scale, zero_point, quant_min, quant_max, dtype)``."""
    if "dequantize_per_tensor" not in str(node.target):
        return None
    match node.args[1:5]:
        case (float(scale), _, int(low), int(high)):
            return OutputGrid(scale, (high - low).bit_length())
    return None
