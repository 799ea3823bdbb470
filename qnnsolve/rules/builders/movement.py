"""Ops that only move data: shapes, slices, concatenation, padding; and those that lowering removes."""

from __future__ import annotations

from qnnsolve.facts.graph import GETITEM, Graph, Node, Ref
from qnnsolve.rules.builders.types import Built, Fate, Input, identity, item, on_cpu, op, ref_at, shape_of, table

__all__ = ["TABLE"]


def _concat(node: Node, graph: Graph) -> Built:
    parts = node.argument(0, "tensors")
    refs = tuple(part for part in parts if isinstance(part, Ref)) if isinstance(parts, tuple) else ()
    return Built(Fate.OP, "Concat", tuple(Input(ref) for ref in refs))


def _expand(node: Node, graph: Graph) -> Built:
    source = ref_at(node, 0)
    if source is not None and node.tensor is not None and shape_of(graph, source) == node.tensor.shape:
        return identity(node, graph)
    return Built(Fate.OP, "Tile", (Input(source),))


def _split(node: Node, graph: Graph) -> Built:
    if len(node.tensors) == 1:
        return on_cpu("QNN splits into two parts or more")
    return Built(Fate.OP, "Split", (Input(ref_at(node, 0)),))


TABLE = table(
    (item, (GETITEM,)),
    (_split, ("split_with_sizes.default", "split_with_sizes_copy.default", "split.Tensor", "chunk.default")),
    (op("UnPack", 0), ("unbind.int",)),
    (op("Pad", 0), ("pad.default",)),
    (op("StridedSlice", 0), ("select.int", "slice.Tensor", "narrow.default")),
    (op("Transpose", 0), ("permute.default", "transpose.int", "swapaxes.default")),
    (
        op("Reshape", 0),
        (
            "flatten.using_ints",
            "reshape.default",
            "view.default",
            "_unsafe_view.default",
            "view_copy.default",
            "squeeze.default",
            "squeeze.dim",
            "squeeze.dims",
            "unsqueeze.default",
            "unflatten.int",
        ),
    ),
    (_concat, ("cat.default", "concat.default")),
    (_expand, ("expand.default",)),
    (
        identity,
        (
            "dropout.default",
            "dropout_.default",
            "clone.default",
            "contiguous.default",
            "alias.default",
            "detach.default",
            "detach_.default",
            "lift_fresh_copy.default",
        ),
    ),
)
