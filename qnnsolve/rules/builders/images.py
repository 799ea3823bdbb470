"""Pooling, resizing and the other ops on images."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import Built, Fate, Input, on_cpu, op, ref_at, table

__all__ = ["TABLE"]


def _max_pool_with_indices(node: Node, graph: Graph) -> Built:
    if 1 in graph.items_of(node.name):
        return on_cpu("QNN's PoolMax2d has no indices")
    return Built(Fate.OP, "PoolMax2d", (Input(ref_at(node, 0)),), outputs=(0,))


TABLE = table(
    (op("PoolMax2d", 0), ("max_pool2d.default",)),
    (_max_pool_with_indices, ("max_pool2d_with_indices.default",)),
    (op("PoolAvg2d", 0), ("adaptive_avg_pool2d.default", "avg_pool2d.default")),
)
