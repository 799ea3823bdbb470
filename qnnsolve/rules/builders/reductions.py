"""Ops that draw an axis together: sums, means, extremes, sorting."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    Step,
    no_builder,
    on_cpu,
    op,
    ref_at,
    shape_of,
    table,
)

__all__ = ["TABLE"]

_INDICES = 2
"""Port of the second output: after the one input and the values."""


def _reduction(name: str) -> Builder:
    """A reduction over the dimensions at argument 1, all of them where there is none."""

    def builder(node: Node, graph: Graph) -> Built:
        source = ref_at(node, 0)
        if not shape_of(graph, source):
            return on_cpu("there is no dimension to reduce")
        before = graph[source].tensor if source is not None else None
        if node.tensor is None or before is None or before.is_float != node.tensor.is_float:
            return on_cpu("ExecuTorch casts before it reduces, and the cast has no encoding")
        return Built(Fate.OP, name, (Input(source),))

    return builder


def _extreme(values: str, indices: str) -> Builder:
    """Values and indices are two ops (_passes/decompose_minmaxdim.py); only what is read is built."""

    def builder(node: Node, graph: Graph) -> Built:
        inputs = (Input(ref_at(node, 0)),)
        read = graph.items_of(node.name)
        if 1 not in read:
            return Built(Fate.OP, values, inputs, outputs=(0,))
        if 0 not in read:
            return Built(Fate.OP, indices, inputs, outputs=(1,))
        return Built(Fate.OP, values, inputs, outputs=(0,), steps=(Step(indices, (0, _INDICES)),))

    return builder


def _topk(node: Node, graph: Graph) -> Built:
    return _sorted(node, graph, dim=node.argument(2, "dim", -1), largest=node.argument(3, "largest", True))


def _sort(node: Node, graph: Graph) -> Built:
    return _sorted(node, graph, dim=node.argument(1, "dim", -1), largest=node.argument(2, "descending", False))


def _sorted(node: Node, graph: Graph, *, dim: object, largest: object) -> Built:
    rank = len(shape_of(graph, ref_at(node, 0)))
    if not isinstance(dim, int) or dim % rank != rank - 1:
        return on_cpu("ExecuTorch builds TopK along the last dimension only")
    if not largest:
        return on_cpu("HTP has the largest values first only")
    return Built(Fate.OP, "TopK", (Input(ref_at(node, 0)),))


TABLE = table(
    (_reduction("ReduceMean"), ("mean.dim", "mean.default")),
    (_reduction("ReduceSum"), ("sum.dim_IntList", "sum.default")),
    (_reduction("ReduceMax"), ("amax.default", "max.default")),
    (_reduction("ReduceMin"), ("amin.default", "min.default")),
    (op("Argmax", 0), ("argmax.default",)),
    (op("Argmin", 0), ("argmin.default",)),
    (op("CumulativeSum", 0), ("cumsum.default",)),
    (no_builder, ("prod.default", "prod.dim_int", "cumprod.default", "logsumexp.default", "median.default")),
    (_extreme("ReduceMax", "Argmax"), ("max.dim",)),
    (_extreme("ReduceMin", "Argmin"), ("min.dim",)),
    (_topk, ("topk.default",)),
    (_sort, ("sort.default",)),
)
