"""How a rewriting step writes nodes: :class:`Emitter`, :data:`Replacement`."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.fx import Node as FxNode

__all__ = ["ORIGIN", "Emitter", "Replacement", "argument"]

ORIGIN = ("nn_module_stack", "stack_trace", "from_node")
"""What a new node takes over from the one that it is made for: module, line, and the node of the exported program."""


class Emitter:
    """Puts new nodes before ``node``, each with the value that torch's fake tensors give it."""

    def __init__(self, node: FxNode) -> None:
        self.node = node

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> FxNode:
        """The new node that calls ``target``."""
        graph = self.node.graph
        with graph.inserting_before(self.node):
            made = graph.call_function(target, args, dict(kwargs))
        made.meta = {key: value for key, value in self.node.meta.items() if key in ORIGIN}
        values, named = torch.fx.node.map_arg((args, kwargs), lambda arg: arg.meta["val"])
        with torch.no_grad():  # else no buffer could be written to with what comes from a parameter
            made.meta["val"] = target(*values, **named)
        return made

    def constant(self, prefix: str, value: torch.Tensor) -> FxNode:
        """A node that reads ``value``, which becomes a buffer named ``prefix_0`` and so on."""
        graph: Any = self.node.graph
        model = graph.owning_module
        number = next(each for each in itertools.count() if not hasattr(model, f"{prefix}_{each}"))
        model.register_buffer(f"{prefix}_{number}", value)
        with graph.inserting_before(self.node):
            made: FxNode = graph.get_attr(f"{prefix}_{number}")
        mode = next(each.meta["val"].fake_mode for each in self.node.all_input_nodes if "val" in each.meta)
        made.meta["val"] = mode.from_tensor(value, static_shapes=True)
        return made

    def folded(self, target: Any, *args: Any) -> FxNode:
        """The new node that calls ``target``; its value, as a buffer, where it is called with parameters alone.

        Weights that are cut up or joined stand for no op to run.
        """
        module = self.node.graph.owning_module
        sources: list[FxNode] = []
        torch.fx.node.map_arg(args, sources.append)
        if module is None or not all(source.op == "get_attr" for source in sources):
            return self(target, *args)
        held = {source: operator.attrgetter(str(source.target))(module) for source in sources}
        if not all(isinstance(value, torch.nn.Parameter) for value in held.values()):
            return self(target, *args)
        with torch.no_grad():
            value = target(*torch.fx.node.map_arg(args, lambda source: held[source]))
        return self.constant("folded_weight", value.detach().clone().contiguous())


Replacement: TypeAlias = Callable[[Emitter, FxNode], FxNode | None]
"""What replaces a node; None where it stays, as it is or with other arguments."""


def argument(node: FxNode, index: int, name: str, default: Any = None) -> Any:
    """The argument of ``node`` at ``index``, or by ``name``, or what it is by ``default``."""
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)
