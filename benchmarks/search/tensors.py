"""Configs by the bits of each tensor, as wishes: :func:`everywhere`, :func:`wishes`."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.search.configs import wide
from qnnsolve.facts.graph import Graph, Node, NodeKind
from qnnsolve.rules.wishes import Wish

_MOVES = frozenset(
    ("contiguous", "dropout", "expand", "flatten", "pad", "permute", "reshape", "slice", "squeeze", "transpose")
) | {"unsqueeze", "view"}


def everywhere(graph: Graph, bits: Mapping[str, int]) -> dict[str, int]:
    """``bits`` of what each node yields. Where it says nothing, a move yields what it reads, and any other op is one
    with its first reader: a convolution with the activation function behind it."""
    found: dict[str, int] = {}
    for node in graph:
        read = [each for each in node.refs() if each in found]
        if node.name in bits:
            found[node.name] = bits[node.name]
        elif moves(node) and read:
            found[node.name] = found[read[0]]
        elif not graph.is_param(node.name):
            readers = [bits[each] for each in graph.readers(node.name) if each in bits]
            found[node.name] = readers[0] if readers else 16
    return found


def wishes(graph: Graph, bits: Mapping[str, int]) -> tuple[Wish, ...]:
    """Wishes for nodes as narrow as what they yield, but for the inputs that come from a wider or a narrower one."""
    edges = [
        (node.name, ref, bits[ref])
        for node in graph
        for ref in node.refs()
        if node.name in bits and ref in bits and bits[ref] != bits[node.name]
    ]
    return (
        *wide([name for name in bits if bits[name] == 8], "", 8),
        *(wish for reader, ref, width in edges for wish in wide([reader], f"from:{ref}", width)),
    )


def moves(node: Node) -> bool:
    """Whether ``node`` only moves what it reads, so that what it yields is as wide."""
    if node.kind is NodeKind.OUTPUT:
        return True
    return node.target.startswith("aten.") and node.target.split(".")[1] in _MOVES
