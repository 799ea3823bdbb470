"""A converted model that returns what it quantizes: :func:`taps`, :func:`tapped`; and in parts: :func:`in_parts`.

Taps keep the compiler from fusing across them, so an op that only differs inside a fusion agrees here while the end of
the model still differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.fx import Graph, GraphModule, Node

from qnnsolve.errors import HostBackendError
from qnnsolve.verification.quantized_nodes import clamp_of, is_dequantize, is_quantize

__all__ = ["Compile", "in_parts", "tapped", "taps"]

TRIED = 3
"""So many refused taps and none that was taken: it is not for them that nothing can be compiled or run."""

Values: TypeAlias = "Sequence[tuple[torch.Tensor, ...]]"
Compile: TypeAlias = "Callable[[GraphModule], Values]"
"""Compiles a model and runs it: its outputs, per sample."""


def taps(converted: GraphModule) -> list[Node]:
    """The nodes that quantize an activation which is dequantized again, in graph order.

    Not what a clamp of the same encoding cuts off next: the two are one op to the compiler.
    """
    found: dict[Node, None] = {}
    for node in converted.graph.nodes:
        source = node.all_input_nodes[0] if is_dequantize(node) else None
        if source is not None and is_quantize(source):
            quantized = source.all_input_nodes[0]
            if quantized.op != "get_attr" and clamp_of(quantized) is None:
                found.setdefault(source)
    return list(found)


def tapped(converted: GraphModule, wanted: Collection[str] | None = None) -> tuple[GraphModule, list[Node]]:
    """Another graph over the same weights that returns the taps ``wanted`` (by name; None: all), flat inputs; and the
    nodes that it returns.

    Each is a dequantize node of its own, since an op that works in place (``add_``) writes to the one that it reads.
    """
    graph = Graph()
    graph.graph_copy(converted.graph, {})
    graph.output(None)
    module = GraphModule(converted, graph)
    returned = []
    for tap in taps(module):
        if wanted is None or tap.name in wanted:
            reader = next(user for user in tap.users if is_dequantize(user))
            with graph.inserting_after(tap):
                returned.append(graph.node_copy(reader))
    (output,) = (node for node in graph.nodes if node.op == "output")
    output.args = (tuple(returned),)
    module.recompile()
    return module, returned


def in_parts(
    converted: GraphModule, compiled: Compile, refused: list[str], faulty: GraphModule | None = None
) -> Iterator[tuple[frozenset[str], Mapping[str, Sequence[torch.Tensor]]]]:
    """The taps part by part: the names of those that are to be judged, and what the compiled model yields for them and
    for the taps that they are computed from, per sample.

    A part that cannot be compiled or run is halved; a tap that cannot alone goes to ``refused``. ``faulty`` is compiled
    in place of ``converted``, where a test wants to know what is found.

    Raises:
        HostBackendError: the first taps are all refused, even alone.
    """
    names = [tap.name for tap in taps(converted)]
    before = _before(converted, frozenset(names))
    waiting, taken = [names] if names else [], False
    while waiting:
        part = waiting.pop()
        wanted = frozenset(part).union(*(before[name] for name in part)) - frozenset(refused)
        module, returned = tapped(faulty or converted, wanted)
        try:
            outputs = compiled(module)
        except HostBackendError:
            if len(part) == 1:
                refused.extend(part)
                if not taken and len(refused) == TRIED:
                    raise
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            continue
        taken = True
        sources = [node.all_input_nodes[0].name for node in returned]
        yield frozenset(part), {name: [each[at] for each in outputs] for at, name in enumerate(sources)}


def _before(converted: GraphModule, names: frozenset[str]) -> dict[str, frozenset[str]]:
    """Of each tap those that its value is computed from, with no other between."""
    near: dict[Node, frozenset[str]] = {}
    for node in converted.graph.nodes:
        inputs: list[Any] = node.all_input_nodes
        near[node] = frozenset().union(
            *(frozenset({each.name}) if each.name in names else near[each] for each in inputs)
        )
    return {node.name: found for node, found in near.items() if node.name in names}
