"""What becomes of an aten node: the QNN op that ExecuTorch's builders emit for it, and the role of each input.

Read off ``backends/qualcomm/builders`` and ``_passes`` of ExecuTorch 1.5.1: the op that exists *after* lowering,
so a ``conv1d`` is a Conv2d, a same-shape ``expand`` is nothing at all, and a depthwise convolution has its own op.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import attrs

from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.request import Role

__all__ = ["BUILDERS", "Built", "Fate", "Input", "build"]


class Fate(enum.Enum):
    """What lowering does with a node."""

    OP = "becomes an op of the accelerator"
    IDENTITY = "is removed; its users read its input"
    CONSTANT = "is folded into a static tensor"
    CPU = "cannot be built by ExecuTorch"
    UNKNOWN = "no facts"


@attrs.frozen(cache_hash=True)
class Input:
    """One input port, in QNN's order: the node read (None: an optional input that is absent) and its role."""

    ref: Ref | None
    role: Role = Role.ACTIVATION
    ch_axis: int = 0


@attrs.frozen(cache_hash=True)
class Built:
    """The fate of one node. ``why`` explains a :attr:`Fate.CPU`."""

    fate: Fate
    op: str | None = None
    inputs: tuple[Input, ...] = ()
    case: str | None = None
    why: str = ""


Builder: TypeAlias = Callable[[Node, Graph], Built]


def build(node: Node, graph: Graph) -> Built:
    """The fate of ``node``; :attr:`Fate.UNKNOWN` for a target that no builder here describes."""
    builder = BUILDERS.get(node.target)
    return Built(Fate.UNKNOWN) if builder is None else builder(node, graph)


def _ref(node: Node, index: int, name: str = "") -> Ref | None:
    value = node.argument(index, name)
    return value if isinstance(value, Ref) else None


def _op(op: str, *ports: int) -> Builder:
    """An op whose inputs are activations at these argument positions."""

    def builder(node: Node, graph: Graph) -> Built:
        return Built(Fate.OP, op, tuple(Input(_ref(node, port)) for port in ports))

    return builder


def _identity(node: Node, graph: Graph) -> Built:
    return Built(Fate.IDENTITY, None, (Input(_ref(node, 0)),))


def _constant(node: Node, graph: Graph) -> Built:
    return Built(Fate.CONSTANT)


def _convolution(node: Node, graph: Graph) -> Built:
    weight = _ref(node, 1)
    groups = node.argument(6, "groups", 1)
    shape = _shape(graph, weight)
    depthwise = isinstance(groups, int) and groups > 2 and len(shape) > 1 and shape[1] == 1
    volume = len(shape) == 5
    op = "Conv3d" if volume else "DepthWiseConv2d" if depthwise else "Conv2d"
    return Built(Fate.OP, op, _weighted(node, weight, 0))


def _linear(node: Node, graph: Graph) -> Built:
    # Rank 2 whatever the input: ExecuTorch reshapes around it (_passes/fixed_linear_keep_dim.py).
    return Built(Fate.OP, "FullyConnected", _weighted(node, _ref(node, 1), 0), case="rank2")


def _weighted(node: Node, weight: Ref | None, ch_axis: int) -> tuple[Input, ...]:
    bias = _ref(node, 2, "bias")
    return (Input(_ref(node, 0)), Input(weight, Role.WEIGHT, ch_axis), Input(bias, Role.BIAS))


def _matmul(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "MatMul", (Input(_ref(node, 0)), Input(_ref(node, 1), Role.OPERAND)))


def _layer_norm(node: Node, graph: Graph) -> Built:
    shape = node.argument(1)
    if isinstance(shape, tuple) and len(shape) != 1:
        return Built(Fate.CPU, why="ExecuTorch builds LayerNorm over the last dimension only")
    inputs = (Input(_ref(node, 0)), Input(_ref(node, 2, "weight"), Role.NORM), Input(_ref(node, 3, "bias"), Role.BIAS))
    return Built(Fate.OP, "LayerNorm", inputs)


def _batch_norm(node: Node, graph: Graph) -> Built:
    inputs = (Input(_ref(node, 0)), Input(_ref(node, 1, "weight"), Role.NORM), Input(_ref(node, 2, "bias"), Role.BIAS))
    return Built(Fate.OP, "Batchnorm", inputs)


def _concat(node: Node, graph: Graph) -> Built:
    parts = node.argument(0, "tensors")
    refs = tuple(part for part in parts if isinstance(part, Ref)) if isinstance(parts, tuple) else ()
    return Built(Fate.OP, "Concat", tuple(Input(ref) for ref in refs))


def _expand(node: Node, graph: Graph) -> Built:
    source = _ref(node, 0)
    if source is not None and node.tensor is not None and _shape(graph, source) == node.tensor.shape:
        return _identity(node, graph)
    return Built(Fate.OP, "Tile", (Input(source),))


def _cast(node: Node, graph: Graph) -> Built:
    source = _ref(node, 0)
    before = graph[source].tensor if source is not None else None
    if before is not None and node.tensor is not None:
        if before.dtype == node.tensor.dtype:
            return _identity(node, graph)
        if before.dtype in _INTEGERS and node.tensor.dtype in _INTEGERS:
            return _identity(node, graph)
    return Built(Fate.OP, "Cast", (Input(source),))


_INTEGERS = ("int32", "int64")


def _embedding(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "Gather", (Input(_ref(node, 0)), Input(_ref(node, 1))))


def _gather(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "GatherElements", (Input(_ref(node, 0)), Input(_ref(node, 2))))


def _index_select(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "Gather", (Input(_ref(node, 0)), Input(_ref(node, 2))))


def _index(node: Node, graph: Graph) -> Built:
    indices = node.argument(1, "indices")
    refs = [index for index in indices if isinstance(index, Ref)] if isinstance(indices, tuple) else []
    if len(refs) != 1:
        return Built(Fate.CPU, why=f"ExecuTorch has no builder for aten.index with {len(refs)} index tensors")
    return Built(Fate.OP, "Gather", (Input(_ref(node, 0)), Input(refs[0])))


def _shape(graph: Graph, ref: Ref | None) -> tuple[int | None, ...]:
    tensor = graph[ref].tensor if ref is not None else None
    return () if tensor is None else tensor.shape


def _table(*groups: tuple[Builder, Iterable[str]]) -> Mapping[str, Builder]:
    table: dict[str, Builder] = {}
    for builder, names in groups:
        for name in names:
            if name in table:
                raise ValueError(f"aten.{name} is described twice")
            table[f"aten.{name}"] = builder
    return MappingProxyType(table)


BUILDERS: Mapping[str, Builder] = _table(
    (_op("ElementWiseAdd", 0, 1), ("add.Tensor", "add_.Tensor")),
    (_op("ElementWiseSubtract", 0, 1), ("sub.Tensor", "sub_.Tensor")),
    (_op("ElementWiseMultiply", 0, 1), ("mul.Tensor", "mul_.Tensor")),
    (_op("ElementWiseDivide", 0, 1), ("div.Tensor", "divide.Tensor")),
    (_op("ElementWiseMaximum", 0, 1), ("maximum.default", "max.other")),
    (_op("ElementWiseMinimum", 0, 1), ("minimum.default", "min.other")),
    (_op("ElementWiseEqual", 0, 1), ("eq.Tensor",)),
    (_op("ElementWiseNotEqual", 0, 1), ("ne.Tensor",)),
    (_op("ElementWiseGreater", 0, 1), ("gt.Tensor",)),
    (_op("ElementWiseGreaterEqual", 0, 1), ("ge.Tensor",)),
    (_op("ElementWiseLess", 0, 1), ("lt.Tensor",)),
    (_op("ElementWiseLessEqual", 0, 1), ("le.Tensor",)),
    (_op("ElementWiseAnd", 0, 1), ("__and__.Tensor", "logical_and.default", "bitwise_and.Tensor")),
    (_op("ElementWiseOr", 0, 1), ("__or__.Tensor", "bitwise_or.Tensor")),
    (_op("ElementWiseSelect", 0, 1, 2), ("where.self",)),
    (_op("Relu", 0), ("relu.default", "relu_.default")),
    (_op("ReluMinMax", 0), ("hardtanh.default", "hardtanh_.default", "clamp.default")),
    (_op("Gelu", 0), ("gelu.default",)),
    (_op("Sigmoid", 0), ("sigmoid.default",)),
    (_op("Tanh", 0), ("tanh.default",)),
    (_op("HardSwish", 0), ("hardswish.default", "hardswish_.default")),
    (_op("Softmax", 0), ("softmax.int", "_softmax.default", "_safe_softmax.default")),
    (_op("PoolMax2d", 0), ("max_pool2d.default",)),
    (_op("PoolAvg2d", 0), ("adaptive_avg_pool2d.default", "avg_pool2d.default")),
    (_op("ReduceMean", 0), ("mean.dim",)),
    (_op("Pad", 0), ("pad.default",)),
    (_op("StridedSlice", 0), ("select.int", "slice.Tensor", "narrow.default")),
    (_op("Transpose", 0), ("permute.default", "transpose.int", "swapaxes.default")),
    (
        _op("Reshape", 0),
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
    (_convolution, ("conv1d.default", "conv2d.default", "conv3d.default")),
    (_linear, ("linear.default",)),
    (_matmul, ("bmm.default", "matmul.default", "mm.default")),
    (_layer_norm, ("layer_norm.default",)),
    (_batch_norm, ("batch_norm.default",)),
    (_concat, ("cat.default", "concat.default")),
    (_expand, ("expand.default",)),
    (_cast, ("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default")),
    (_embedding, ("embedding.default",)),
    (_gather, ("gather.default",)),
    (_index_select, ("index_select.default",)),
    (_index, ("index.Tensor",)),
    (
        _identity,
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
)
"""Builder by aten target."""
