"""The float side of a conversion: :func:`without_observers`, whose nodes have the names of the converted graph."""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule

__all__ = ["is_observer", "without_observers"]

OBSERVER = "activation_post_process"
"""How torchao names what it inserts in ``prepare_pt2e`` (0.18); each hands on what it sees."""


def is_observer(node: Any) -> bool:
    """Whether a node of a prepared graph is an observer; its argument is what it sees."""
    return bool(node.op == "call_module" and str(node.target).startswith(OBSERVER))


def without_observers(prepared: GraphModule) -> GraphModule:
    """What ``prepare_pt2e`` gave, without its observers: the graph that was solved for, in float.

    It has the parameters and states of ``prepared`` itself, no copies, and lasts when ``convert_pt2e`` has taken those
    of ``prepared`` away.
    """
    import torch

    graph = torch.fx.Graph()
    copied: dict[Any, Any] = {}
    output = graph.graph_copy(prepared.graph, copied)
    for node in prepared.graph.nodes:
        if node.op == "output":
            twin = graph.output(output)
            twin.meta.update(node.meta)
    graph._codegen = prepared.graph._codegen
    for node in list(graph.nodes):
        if is_observer(node):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return GraphModule(prepared, graph)
