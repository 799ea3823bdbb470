"""Activations: clamps, gates and softmaxes."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.layout import channels_last
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    on_cpu,
    op,
    ref_at,
    shape_of,
    table,
)

__all__ = ["TABLE"]


def _elu(node: Node, graph: Graph) -> Built:
    if (node.argument(2, "scale", 1), node.argument(3, "input_scale", 1)) != (1, 1):
        return on_cpu("ExecuTorch's builder of ELU ignores its scales")
    return Built(Fate.OP, "Elu", (Input(ref_at(node, 0)),))


def _prelu(node: Node, graph: Graph) -> Built:
    """The accelerator applies several slopes along the last axis, which has to be that of the channels."""
    slope = ref_at(node, 1)
    if slope is not None and not graph.is_param(slope):
        return on_cpu("ExecuTorch builds PReLU with a constant slope only")
    many = slope is not None and shape_of(graph, slope) not in ((), (1,))
    if many and len(shape_of(graph, ref_at(node, 0))) > 2 and not channels_last(node, graph):
        return on_cpu("slopes per channel are applied along the last dimension here")
    return Built(Fate.OP, "Prelu", (Input(ref_at(node, 0)), Input(slope)))


def _softmax(name: str) -> Builder:
    """A softmax over the last dimension, or over the channels, which the accelerator holds last.

    Over two values its output has another scale than over more.
    """

    def builder(node: Node, graph: Graph) -> Built:
        shape, dim = shape_of(graph, ref_at(node, 0)), node.argument(1, "dim", -1)
        rank = len(shape)
        if isinstance(dim, int) and rank and dim % rank not in (rank - 1, *((1,) if rank > 2 else ())):
            return on_cpu("ExecuTorch builds softmaxes over the last dimension or the channels only")
        pair = name == "Softmax" and isinstance(dim, int) and rank and shape[dim] == 2
        return Built(Fate.OP, name, (Input(ref_at(node, 0)),), case="pair" if pair else None)

    return builder


TABLE = table(
    (op("Relu", 0), ("relu.default", "relu_.default")),
    (
        op("ReluMinMax", 0),
        (
            "hardtanh.default",
            "hardtanh_.default",
            "clamp.default",
            "clamp_.default",
            "clamp_min.default",
            "clamp_max.default",
            "relu6.default",
        ),
    ),
    (op("Gelu", 0), ("gelu.default",)),
    (op("Sigmoid", 0), ("sigmoid.default",)),
    (op("Tanh", 0), ("tanh.default",)),
    (op("HardSwish", 0), ("hardswish.default", "hardswish_.default")),
    (op("ElementWiseNeuron.hardsigmoid", 0), ("hardsigmoid.default", "hardsigmoid_.default")),
    (_elu, ("elu.default", "elu_.default")),
    (_prelu, ("prelu.default", "leaky_relu.default", "leaky_relu_.default")),
    (_softmax("Softmax"), ("softmax.int", "_softmax.default", "_safe_softmax.default")),
    (_softmax("LogSoftmax"), ("log_softmax.int", "_log_softmax.default")),
)
