"""What becomes of an aten node: the QNN op that ExecuTorch's builders emit for it, and the role of each input.

Read off ``backends/qualcomm/builders`` and ``_passes`` of ExecuTorch 1.5.1: the op that exists *after* lowering,
so a ``conv1d`` is a Conv2d, a same-shape ``expand`` is nothing at all, and a depthwise convolution has its own op.
One module per family of ops, each with a ``TABLE`` from aten target to builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders import (
    activations,
    constants,
    images,
    indexing,
    movement,
    norms,
    pointwise,
    pooling,
    products,
    reductions,
)
from qnnsolve.rules.builders.types import OUTPUT, Builder, Built, Fate, Input, SideOp, on_cpu

__all__ = ["BUILDERS", "LARGEST_RANK", "OUTPUT", "Built", "Fate", "Input", "SideOp", "build"]

LARGEST_RANK = 5
"""Dimensions that HTP takes (measured, QNN 2.51: ``incorrect Rank 6`` for Reshape and Transpose)."""

_FAMILIES = (pointwise, activations, products, norms, pooling, images, reductions, movement, indexing, constants)


def _joined() -> Mapping[str, Builder]:
    found: dict[str, Builder] = {}
    for family in _FAMILIES:
        twice = found.keys() & family.TABLE.keys()
        if twice:
            raise ValueError(f"{min(twice)} is described twice")
        found.update(family.TABLE)
    return MappingProxyType(found)


BUILDERS = _joined()
"""Builder by aten target."""


def build(node: Node, graph: Graph) -> Built:
    """The fate of ``node``; :attr:`Fate.UNKNOWN` for a target that no builder here describes."""
    if node.target not in indexing.TABLE and indexing.state_of(node, graph) is not None:
        return on_cpu("what is written to a buffer in place, and not by index, has no encoding")
    builder = BUILDERS.get(node.target)
    built = Built(Fate.UNKNOWN) if builder is None else builder(node, graph)
    if built.fate is Fate.OP and graph.largest_rank > LARGEST_RANK and _largest_rank(node, graph) > LARGEST_RANK:
        return on_cpu(f"the accelerator takes tensors of at most {LARGEST_RANK} dimensions")
    return built


def _largest_rank(node: Node, graph: Graph) -> int:
    """Of everything that a node reads and makes."""
    largest = 0
    for each in (node, *[graph.nodes[name] for name in graph.reads[node.name]]):
        for tensor in each.tensors:
            largest = max(largest, len(tensor.shape))
    return largest
