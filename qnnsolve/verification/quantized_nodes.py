"""Where a converted graph quantizes what its nodes yield: :class:`QuantizedNodes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch.fx import GraphModule, Node

__all__ = ["QuantizedNodes", "clamp_of", "encoding_of", "is_dequantize", "is_quantize", "op_behind"]

QUANTIZE, DEQUANTIZE = "quantized_decomposed.quantize_per_tensor", "quantized_decomposed.dequantize_per_tensor"

aten: Any = torch.ops.aten
CLAMPS = frozenset(
    getattr(packet, name)
    for packet in (aten.relu, aten.relu_, aten.relu6, aten.hardtanh, aten.hardtanh_, aten.clamp, aten.clamp_min)
    for name in packet.overloads()
)


def is_quantize(node: object) -> bool:
    """Whether ``node`` quantizes a tensor with one scale."""
    return isinstance(node, Node) and str(node.target).startswith(QUANTIZE)


def is_dequantize(node: object) -> bool:
    """Whether ``node`` is its inverse."""
    return isinstance(node, Node) and str(node.target).startswith(DEQUANTIZE)


def encoding_of(quantize: Node) -> str:
    """``u8``, ``s16``: of the integers that a node quantizes to."""
    low, high = (int(each) for each in quantize.args[3:5])  # type: ignore[arg-type]  # torchao writes numbers
    return f"{'s' if low < 0 else 'u'}{(high - low).bit_length()}"


def op_behind(node: Node) -> Node:
    """The op, or the input, whose values ``node`` quantizes, be it by way of other encodings; of an op and the clamp
    that counts with it as one, the op."""
    while is_quantize(node) or is_dequantize(node):
        node = node.all_input_nodes[0]
    if node.target in CLAMPS:
        before = node.all_input_nodes[0]
        inner = op_behind(before) if is_dequantize(before) else before
        return inner if clamp_of(inner) is node else node
    return node


@attrs.frozen(eq=False)
class QuantizedNodes:
    """The nodes of a converted graph that are computed from its inputs, by their names in graph order.

    ``quantize`` has the node that quantizes what all readers read, where there is one; ``dequantize`` says of which
    node a dequantized value is what its readers read. An op whose values only a relu or a clamp of the same encoding
    reads counts with it as one, under the op's name: that encoding cuts off what the clamp does, too. ``until`` has
    the clamp's name by the op's.
    """

    names: tuple[str, ...]
    quantize: Mapping[str, Node]
    dequantize: Mapping[Node, str]
    until: Mapping[str, str]

    @classmethod
    def of(cls, converted: GraphModule, original: GraphModule) -> QuantizedNodes:
        """Of the nodes that ``original``, the same graph in float, has too."""
        known = {node.name for node in original.graph.nodes}
        computed: set[Node] = set()
        found: list[Node] = []
        for node in converted.graph.nodes:
            if node.op == "placeholder" or (node.op == "call_function" and computed & {*node.all_input_nodes}):
                computed.add(node)
                if node.name in known and not is_quantize(node) and not is_dequantize(node):
                    found.append(node)
        quantize = {node: own for node in found if (own := _own(node)) is not None}
        ends = {node: clamp for node in quantize if (clamp := clamp_of(node)) is not None}
        clamps = frozenset(ends.values())
        nodes = [node for node in found if node not in clamps]
        last = {node: ends.get(node, node) for node in nodes}
        return cls(
            tuple(node.name for node in nodes),
            {node.name: quantize[last[node]] for node in nodes if last[node] in quantize},
            {reader: node.name for node in nodes if last[node] in quantize for reader in _readers(last[node])},
            {node.name: ends[node].name for node in nodes if node in ends},
        )


def _own(node: Node) -> Node | None:
    """The first of the quantize nodes behind ``node``, where all that reads it is those, and alike."""
    users = list(node.users)
    alike = users and all(is_quantize(user) and user.args[1:] == users[0].args[1:] for user in users)
    return users[0] if alike else None


def _readers(node: Node) -> list[Node]:
    """The dequantize nodes behind it."""
    return [reader for user in node.users for reader in user.users if is_dequantize(reader)]


def clamp_of(node: Node) -> Node | None:
    """The clamp of the same encoding that alone reads ``node``, unless that is a clamp itself."""
    dequantized, own = _readers(node), _own(node)
    readers = {user for each in dequantized for user in each.users}
    behind = sum(len(user.users) for user in node.users)
    if own is None or node.target in CLAMPS or node.op == "placeholder" or len(readers) != 1:
        return None
    (clamp,) = readers
    end = _own(clamp) if clamp.target in CLAMPS and behind == len(dequantized) else None
    return clamp if end is not None and end.args[1:] == own.args[1:] else None
