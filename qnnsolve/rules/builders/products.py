"""Convolutions, linears and matrix products: ops with weights, or with an operand that is treated as one."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.builders.types import Built, Fate, Input, ref_at, shape_of, table
from qnnsolve.rules.request import Role

__all__ = ["TABLE"]


def _convolution(node: Node, graph: Graph) -> Built:
    weight = ref_at(node, 1)
    groups = node.argument(6, "groups", 1)
    shape = shape_of(graph, weight)
    depthwise = isinstance(groups, int) and groups > 2 and len(shape) > 1 and shape[1] == 1
    volume = len(shape) == 5
    op = "Conv3d" if volume else "DepthWiseConv2d" if depthwise else "Conv2d"
    return Built(Fate.OP, op, _weighted(node, weight, 0))


def _linear(node: Node, graph: Graph) -> Built:
    # Rank 2 whatever the input: ExecuTorch reshapes around it (_passes/fixed_linear_keep_dim.py).
    return Built(Fate.OP, "FullyConnected", _weighted(node, ref_at(node, 1), 0), case="rank2")


def _weighted(node: Node, weight: Ref | None, ch_axis: int) -> tuple[Input, ...]:
    bias = ref_at(node, 2, "bias")
    return (Input(ref_at(node, 0)), Input(weight, Role.WEIGHT, ch_axis), Input(bias, Role.BIAS))


def _matmul(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "MatMul", (Input(ref_at(node, 0)), Input(ref_at(node, 1), Role.OPERAND)))


TABLE = table(
    (_convolution, ("conv1d.default", "conv2d.default", "conv3d.default")),
    (_linear, ("linear.default",)),
    (_matmul, ("bmm.default", "matmul.default", "mm.default")),
)
