"""What ops on images, sequences and volumes have in common: they need a batch dimension."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    SideOp,
    on_cpu,
    ref_at,
    shape_of,
)

__all__ = ["IN", "OUT", "batched", "sizes_of"]

IN, OUT = 0, 1
"""Ports of an op with one input."""


def batched(name: str, rank: int, *steps: SideOp) -> Builder:
    """An op over one input of ``rank`` dimensions, batch and channels first."""

    def builder(node: Node, graph: Graph) -> Built:
        source = ref_at(node, 0)
        if len(shape_of(graph, source)) != rank:
            return on_cpu(f"ExecuTorch builds {name} for {rank} dimensions, the batch included")
        return Built(Fate.OP, name, (Input(source),), steps=steps)

    return builder


def sizes_of(value: object) -> tuple[object, ...]:
    """``value``, or a tuple of it alone: torch takes either."""
    return value if isinstance(value, tuple) else (value,)
