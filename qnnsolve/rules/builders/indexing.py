"""Ops that read or write by index."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.builders.types import Built, Fate, Input, on_cpu, op, ref_at, table

__all__ = ["TABLE"]


def _index(node: Node, graph: Graph) -> Built:
    indices = node.argument(1, "indices")
    refs = [index for index in indices if isinstance(index, Ref)] if isinstance(indices, tuple) else []
    if len(refs) != 1:
        return on_cpu(f"ExecuTorch has no builder for aten.index with {len(refs)} index tensors")
    return Built(Fate.OP, "Gather", (Input(ref_at(node, 0)), Input(refs[0])))


TABLE = table(
    (op("Gather", 0, 1), ("embedding.default",)),
    (op("Gather", 0, 2), ("index_select.default",)),
    (op("GatherElements", 0, 2), ("gather.default",)),
    (_index, ("index.Tensor",)),
)
