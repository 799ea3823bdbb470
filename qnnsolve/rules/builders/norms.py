"""Normalizations."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import Built, Fate, Input, on_cpu, ref_at, table
from qnnsolve.rules.request import Role

__all__ = ["TABLE"]


def _layer_norm(node: Node, graph: Graph) -> Built:
    shape = node.argument(1)
    if isinstance(shape, tuple) and len(shape) != 1:
        return on_cpu("ExecuTorch builds LayerNorm over the last dimension only")
    inputs = (
        Input(ref_at(node, 0)),
        Input(ref_at(node, 2, "weight"), Role.NORM),
        Input(ref_at(node, 3, "bias"), Role.BIAS),
    )
    return Built(Fate.OP, "LayerNorm", inputs)


def _batch_norm(node: Node, graph: Graph) -> Built:
    inputs = (
        Input(ref_at(node, 0)),
        Input(ref_at(node, 1, "weight"), Role.NORM),
        Input(ref_at(node, 2, "bias"), Role.BIAS),
    )
    return Built(Fate.OP, "Batchnorm", inputs)


TABLE = table(
    (_layer_norm, ("layer_norm.default",)),
    (_batch_norm, ("batch_norm.default",)),
)
