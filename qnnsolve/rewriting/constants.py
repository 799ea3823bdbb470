"""Compute at export time what does not depend on the model's inputs: position ids, masks, rotary tables.

:func:`fold_constants` does so once, before annotation. What is left of such a computation in the graph would need an
operator for each of its steps on every run, integer ones included, many of which the accelerator does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node

__all__ = ["fold_constants"]

LARGEST = 2**24
"""Elements of a folded tensor at most: a mask over 4096 tokens, but no expanded weight."""


def fold_constants(model: GraphModule) -> GraphModule:
    """Replace, in place, each tensor that is computed from buffers and constants alone by its value.

    Parameters are left as they are, since quantizing follows what is computed from them; so are buffers that the
    model writes to, tensors that carry random numbers, and constants that an op makes from nothing (``arange``).
    Returns ``model``. A folded value is a buffer named ``folded_constant_0`` and so on.
    """
    values: dict[Node, torch.Tensor] = {}
    fixed = _fixed_buffers(model)
    for node in model.graph.nodes:
        if node.op == "get_attr" and node.target in fixed:
            values[node] = fixed[node.target]
        elif node.op == "call_function" and _is_pure(node) and all(source in values for source in node.all_input_nodes):
            value = _evaluated(node, values)
            if value is not None and value.numel() <= LARGEST:
                values[node] = value
    for node in list(_frontier(values)):
        _replace(model, node, values[node])
    for node in reversed(list(values)):
        if not node.users:
            model.graph.erase_node(node)
    model.recompile()
    return model


def _fixed_buffers(model: GraphModule) -> dict[str, torch.Tensor]:
    """Buffers and lifted tensors, by name, that no op of the graph writes to."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    found: dict[str, torch.Tensor] = {}
    for node in model.graph.nodes:
        if node.op == "get_attr" and node.target not in parameters:
            value = _attribute(model, node.target)
            written = any(_mutates(user) for user in node.users)
            if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter) and not written:
                found[node.target] = value
    return found


def _attribute(model: GraphModule, target: str) -> object:
    found: object = model
    for part in target.split("."):
        found = getattr(found, part)
    return found


def _mutates(node: Node) -> bool:
    return not isinstance(node.target, torch._ops.OpOverload) or node.target._schema.is_mutable


def _is_pure(node: Node) -> bool:
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or target.namespace != "aten":
        return False
    random = torch.Tag.nondeterministic_seeded in target.tags
    return not random and not target._schema.is_mutable and isinstance(node.meta.get("val"), torch.Tensor)


def _evaluated(node: Node, values: dict[Node, torch.Tensor]) -> torch.Tensor | None:
    """The node's value; None where it depends on a size that is not fixed."""
    if any(not isinstance(size, int) for size in node.meta["val"].shape):
        return None
    args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda source: values[source])
    target: Callable[..., Any] = node.target  # type: ignore[assignment]  # an OpOverload, as _is_pure saw
    with torch.no_grad():
        value = target(*args, **kwargs)
    return value if isinstance(value, torch.Tensor) else None


def _frontier(values: dict[Node, torch.Tensor]) -> Iterator[Node]:
    """Computed values that something reads which is not folded itself."""
    for node in values:
        if node.op == "call_function" and node.all_input_nodes and any(user not in values for user in node.users):
            yield node


def _replace(model: GraphModule, node: Node, value: torch.Tensor) -> None:
    number = 0
    while hasattr(model, f"folded_constant_{number}"):
        number += 1
    name = f"folded_constant_{number}"
    model.register_buffer(name, value.detach().clone().contiguous())
    with model.graph.inserting_before(node):
        constant = model.graph.get_attr(name)
    constant.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(constant)
