"""What a config costs, from its solution and the facts of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping

from qnnsolve.constraints import Site
from qnnsolve.facts.graph import Graph, Node
from qnnsolve.solver import Solution

_OPERANDS = {
    "aten.conv1d.default": (0, 1),
    "aten.conv2d.default": (0, 1),
    "aten.convolution.default": (0, 1),
    "aten.linear.default": (0, 1),
    "aten.matmul.default": (0, 1),
    "aten.bmm.default": (0, 1),
}
"""The arguments whose elements are multiplied, by op."""


def bit_operations(graph: Graph, solution: Solution) -> int:
    """Multiplications, each times the bits of both its operands, over all ops that have products (float: 32 bits)."""
    return sum(count * _bits(solution, node, 0) * _bits(solution, node, 1) for node, count in _products(graph))


def estimated(graph: Graph, bits: Mapping[str, int], weight: int = 8) -> int:
    """Bit operations where each node yields a tensor of so many bits, before anything is made legal."""
    return sum(
        count * math.prod(bits.get(str(node.args[argument]), weight) for argument in (0, 1))
        for node, count in _products(graph)
    )


def weight_bytes(graph: Graph, solution: Solution) -> int:
    """Bytes of all parameters, at the bits that their readers take."""
    total = 0
    for node in graph:
        if graph.is_param(node.name) and node.tensor is not None and node.tensor.numel:
            bits = [_at(solution, node.name, user) for user in graph.users[node.name]]
            total += node.tensor.numel * max(bits, default=32)
    return total // 8


def _products(graph: Graph) -> list[tuple[Node, int]]:
    found = []
    for node in graph:
        if node.target in _OPERANDS:
            second = graph[str(node.args[1])].tensor
            out = node.tensor
            assert second is not None and out is not None and out.numel is not None
            # Each output element is a sum of so many products.
            first = graph[str(node.args[0])].tensor
            assert first is not None
            convolution = "conv" in node.target
            terms = math.prod(size or 1 for size in second.shape[1:]) if convolution else first.shape[-1] or 1
            found.append((node, out.numel * terms))
    return found


def _bits(solution: Solution, node: Node, argument: int) -> int:
    return _at(solution, str(node.args[argument]), node.name)


def _at(solution: Solution, producer: str, user: str) -> int:
    encoding = solution.encodings.get(Site(producer, user)) or solution.encodings.get(Site(producer))
    return 32 if encoding is None or not encoding.quantized else int(encoding.bits)
