"""Ops that draw an axis together: sums, means, extremes, sorting."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.layout import channels_last
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    SideOp,
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
    """A reduction over the dimensions at argument 1."""

    def builder(node: Node, graph: Graph) -> Built:
        source = ref_at(node, 0)
        before = graph[source].tensor if source is not None else None
        if before is None or node.tensor is None or not before.shape:
            return on_cpu("there is no dimension to reduce")
        if before.is_float != node.tensor.is_float:
            return on_cpu("ExecuTorch casts before it reduces, and the cast has no encoding")
        if name == "ReduceSum" and not node.argument(1, "dim", ()):
            return on_cpu("ExecuTorch builds sums over named dimensions only")
        if name == "ReduceSum" and node.tensor.dtype == "int64":
            return on_cpu("torch sums integers into int64, which ExecuTorch does not narrow here")
        return Built(Fate.OP, name, (Input(source),))

    return builder


def _any(node: Node, graph: Graph) -> Built:
    """ExecuTorch 1.5.1, ``decompose_any.py``: the sum of a mask's integers is not zero."""
    source = ref_at(node, 0)
    before = graph[source].tensor if source is not None else None
    if before is None or before.is_float:
        return on_cpu("a cast of a quantized tensor moves the stored integers, not the values")
    steps = (SideOp("Cast", ("b8" if before.dtype == "bool" else "i32", "i32")), SideOp("ReduceSum", ("i32", "i32")))
    return Built(Fate.OP, "ElementWiseNotEqual", (Input(None, code="i32"), Input(None, code="i32")), steps=steps)


def _extreme(values: str, indices: str) -> Builder:
    """Values and indices are two ops (_passes/decompose_minmaxdim.py); only what is read is built."""

    def builder(node: Node, graph: Graph) -> Built:
        inputs = (Input(ref_at(node, 0)),)
        read = graph.items_of(node.name)
        if 1 not in read:
            return Built(Fate.OP, values, inputs, outputs=(0,))
        if 0 not in read:
            return on_cpu("ExecuTorch builds the indices of an extreme only beside its values")
        return Built(Fate.OP, values, inputs, outputs=(0,), steps=(SideOp(indices, (0, _INDICES)),))

    return builder


def _topk(node: Node, graph: Graph) -> Built:
    return _sorted(node, graph, dim=node.argument(2, "dim", -1), largest=node.argument(3, "largest", True))


def _sort(node: Node, graph: Graph) -> Built:
    return _sorted(node, graph, dim=node.argument(1, "dim", -1), largest=node.argument(2, "descending", False))


def _sorted(node: Node, graph: Graph, *, dim: object, largest: object) -> Built:
    source = ref_at(node, 0)
    rank = len(shape_of(graph, source))
    last = 1 if rank > 2 and channels_last(node, graph) else rank - 1
    if not isinstance(dim, int) or not rank or dim % rank != last:
        return on_cpu(f"ExecuTorch builds TopK along the last dimension only, here {last}")
    tensor = graph[source].tensor if source is not None else None
    if not largest and tensor is not None and not tensor.is_float:
        return on_cpu("HTP has the largest of integers first only")
    return Built(Fate.OP, "TopK", (Input(ref_at(node, 0)),))


TABLE = table(
    (_reduction("ReduceMean"), ("mean.dim",)),
    (_reduction("ReduceSum"), ("sum.dim_IntList", "sum.default")),
    (_reduction("ReduceMax"), ("amax.default",)),
    (_reduction("ReduceMin"), ("amin.default",)),
    (op("Argmax", 0), ("argmax.default",)),
    (op("Argmin", 0), ("argmin.default",)),
    (op("CumulativeSum", 0), ("cumsum.default",)),
    (_any, ("any.default", "any.dim", "any.dims")),
    (no_builder, ("all.default", "all.dim", "all.dims", "max.default", "min.default", "mean.default")),
    (no_builder, ("prod.default", "prod.dim_int", "cumprod.default", "logsumexp.default", "median.default")),
    (_extreme("ReduceMax", "Argmax"), ("max.dim",)),
    (_extreme("ReduceMin", "Argmin"), ("min.dim",)),
    (_topk, ("topk.default",)),
    (_sort, ("sort.default",)),
)
