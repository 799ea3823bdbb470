"""Producers of constants, which lowering folds into static tensors, and of random numbers."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import Built, Fate, no_builder, op, table

__all__ = ["TABLE"]


def _constant(node: Node, graph: Graph) -> Built:
    return Built(Fate.CONSTANT)


TABLE = table(
    (
        _constant,
        (
            "arange.default",
            "arange.start",
            "arange.start_step",
            "scalar_tensor.default",
            "full.default",
            "full_like.default",
            "zeros.default",
            "zeros_like.default",
            "ones.default",
            "ones_like.default",
            "new_ones.default",
            "new_zeros.default",
            "new_full.default",
        ),
    ),
    (op("RandomUniformLike"), ("rand.default", "rand_like.default")),
    (op("RandomNormalLike"), ("randn.default", "randn_like.default")),
    (
        no_builder,
        ("linspace.default", "bernoulli.default", "bernoulli.p", "randint.low", "randint.default", "randperm.default"),
    ),
)
