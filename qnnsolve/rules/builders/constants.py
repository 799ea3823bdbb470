"""Producers of constants, which lowering folds into static tensors, and of random numbers."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import Builder, Built, Fate, Input, no_builder, table

__all__ = ["TABLE"]


def _constant(node: Node, graph: Graph) -> Built:
    return Built(Fate.CONSTANT)


def _random(name: str) -> Builder:
    """Random numbers; their shape is a static tensor (builders/op_rand.py), whatever node they are like."""

    def builder(node: Node, graph: Graph) -> Built:
        return Built(Fate.OP, name, (Input(None, code="u32"),))

    return builder


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
    (_random("RandomUniformLike"), ("rand.default", "rand_like.default")),
    (_random("RandomNormalLike"), ("randn.default", "randn_like.default")),
    (
        no_builder,
        ("linspace.default", "bernoulli.default", "bernoulli.p", "randint.low", "randint.default", "randperm.default"),
    ),
)
