"""Ops that work element by element: arithmetic, comparison, logic, activations, casts."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import Built, Fate, Input, identity, op, ref_at, table

__all__ = ["TABLE"]

_INTEGERS = ("int32", "int64")


def _cast(node: Node, graph: Graph) -> Built:
    source = ref_at(node, 0)
    before = graph[source].tensor if source is not None else None
    if before is not None and node.tensor is not None:
        if before.dtype == node.tensor.dtype:
            return identity(node, graph)
        if before.dtype in _INTEGERS and node.tensor.dtype in _INTEGERS:
            return identity(node, graph)
    return Built(Fate.OP, "Cast", (Input(source),))


TABLE = table(
    (op("ElementWiseAdd", 0, 1), ("add.Tensor", "add_.Tensor")),
    (op("ElementWiseSubtract", 0, 1), ("sub.Tensor", "sub_.Tensor")),
    (op("ElementWiseMultiply", 0, 1), ("mul.Tensor", "mul_.Tensor")),
    (op("ElementWiseDivide", 0, 1), ("div.Tensor", "divide.Tensor")),
    (op("ElementWiseMaximum", 0, 1), ("maximum.default", "max.other")),
    (op("ElementWiseMinimum", 0, 1), ("minimum.default", "min.other")),
    (op("ElementWiseEqual", 0, 1), ("eq.Tensor",)),
    (op("ElementWiseNotEqual", 0, 1), ("ne.Tensor",)),
    (op("ElementWiseGreater", 0, 1), ("gt.Tensor",)),
    (op("ElementWiseGreaterEqual", 0, 1), ("ge.Tensor",)),
    (op("ElementWiseLess", 0, 1), ("lt.Tensor",)),
    (op("ElementWiseLessEqual", 0, 1), ("le.Tensor",)),
    (op("ElementWiseAnd", 0, 1), ("__and__.Tensor", "logical_and.default", "bitwise_and.Tensor")),
    (op("ElementWiseOr", 0, 1), ("__or__.Tensor", "bitwise_or.Tensor")),
    (op("ElementWiseSelect", 0, 1, 2), ("where.self",)),
    (op("Relu", 0), ("relu.default", "relu_.default")),
    (op("ReluMinMax", 0), ("hardtanh.default", "hardtanh_.default", "clamp.default")),
    (op("Gelu", 0), ("gelu.default",)),
    (op("Sigmoid", 0), ("sigmoid.default",)),
    (op("Tanh", 0), ("tanh.default",)),
    (op("HardSwish", 0), ("hardswish.default", "hardswish_.default")),
    (op("Softmax", 0), ("softmax.int", "_softmax.default", "_safe_softmax.default")),
    (_cast, ("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default")),
)
