"""Convolutions, linears and matrix products: ops with weights, or with an operand that is treated as one."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.builders.batched import sizes_of
from qnnsolve.rules.builders.kernels import case_of
from qnnsolve.rules.builders.types import Builder, Built, Fate, Input, SideOp, on_cpu, op, ref_at, shape_of, table
from qnnsolve.rules.request import Role

__all__ = ["TABLE", "grouped_right"]

_IN, _OUT = 0, 3
"""Ports of an op with input, weight and bias."""


def _convolution(groups: int, transposed: bool) -> Builder:
    """A convolution whose groups are at argument ``groups``; a weight's output channels are its axis 0, or else 1."""

    def builder(node: Node, graph: Graph) -> Built:
        dilation = node.argument(7 if transposed else 5, "dilation", 1)
        added = node.argument(5, "output_padding", 0) if transposed else 0
        return _convolved(node, graph, node.argument(groups, "groups", 1), transposed, dilation, added)

    return builder


def _any_convolution(node: Node, graph: Graph) -> Built:
    transposed, dilation = bool(node.argument(6, "transposed", False)), node.argument(5, "dilation", 1)
    added = node.argument(7, "output_padding", 0)
    return _convolved(node, graph, node.argument(8, "groups", 1), transposed, dilation, added)


def _same_convolution(node: Node, graph: Graph) -> Built:
    """With ``padding="same"`` an even kernel is padded more on one side, by an op of its own without an encoding."""
    shape, dilation = shape_of(graph, ref_at(node, 1)), node.argument(5, "dilation", 1)
    sizes = dilation if isinstance(dilation, tuple) else (dilation,)
    sizes = sizes * (len(shape) - 2) if len(sizes) == 1 else sizes
    spans = (step * (size - 1) for step, size in zip(sizes, shape[2:], strict=False) if isinstance(step, int) and size)
    if node.argument(4, "padding", "valid") == "same" and any(span % 2 for span in spans):
        return on_cpu("ExecuTorch pads an even kernel by an op of its own, which has no encoding")
    return _convolved(node, graph, node.argument(6, "groups", 1), transposed=False, dilation=dilation)


def grouped_right(dims: int, groups: object, outputs: object) -> bool:
    """Whether the accelerator has a transposed convolution of ``dims`` dimensions in so many groups.

    ``outputs`` are the channels that each group makes. A depthwise one does not compile; one of volumes in two groups
    is off by 43 % of its range (HTP emulator, QNN 2.51, V79, 8 bits).
    """
    depthwise = isinstance(groups, int) and groups > 2 and outputs == 1
    return not depthwise and (dims < 3 or groups == 1)


def _convolved(
    node: Node, graph: Graph, groups: object, transposed: bool, dilation: object, added: object = 0
) -> Built:
    weight = ref_at(node, 1)
    shape, before = shape_of(graph, weight), shape_of(graph, ref_at(node, 0))
    if not graph.is_param(weight) or _computed(graph, node, 2):
        return on_cpu("ExecuTorch builds convolutions with constant weights and biases only")
    if len(before) == len(shape) - 1:
        return on_cpu("ExecuTorch builds convolutions of batches only")
    volume = len(shape) == 5
    if transposed:
        why = _not_transposed(len(shape) - 2, groups, shape[1], added)
        if why:
            return on_cpu(why)
        name = "TransposeConv3d" if volume else "TransposeConv2d"
    elif isinstance(groups, int) and groups > 2 and shape[1] == 1:
        if volume:
            return on_cpu("ExecuTorch builds depthwise convolutions of images only")
        if shape[0] != groups and shape[2:] != (1,) * (len(shape) - 2) and _is_apart(dilation):
            return on_cpu("HTP compiles no dilated depthwise convolution that makes several channels of one")
        name = "DepthWiseConv2d"
    else:
        name = "Conv3d" if volume else "Conv2d"
    # A convolution of sequences is one of images (_passes/canonicalize_conv.py).
    steps = (SideOp("Reshape", (_IN, _IN)), SideOp("Reshape", (_OUT, _OUT))) if len(shape) == 3 else ()
    case = case_of(name, node, graph, groups, dilation)
    return Built(Fate.OP, name, _weighted(node, weight, 1 if transposed else 0), case, steps=steps)


def _is_apart(dilation: object) -> bool:
    """Measured (HTP compiler, QNN 2.51, V68 and V79): finalize refuses all that the validator takes of those with a
    channel multiplier."""
    return any(gap != 1 for gap in sizes_of(dilation))


def _not_transposed(dims: int, groups: object, outputs: object, added: object) -> str:
    """Why HTP has no such transposed convolution; empty where it has."""
    if not grouped_right(dims, groups, outputs):
        wrong = "computes transposed convolutions of volumes in groups wrong"
        return f"HTP {wrong if dims == 3 else 'compiles no depthwise transposed convolution'}"
    rows = added if isinstance(added, tuple) else (added,)
    if any(isinstance(row, int) and row > 1 for row in rows):
        return "HTP compiles no transposed convolution that adds more than one row to its output"
    return ""


def _computed(graph: Graph, node: Node, index: int) -> bool:
    """Whether a tensor is there, and is computed by the model."""
    ref = ref_at(node, index)
    return ref is not None and not graph.is_param(ref)


def _linear(node: Node, graph: Graph) -> Built:
    weight = ref_at(node, 1)
    if not graph.is_param(weight) or _computed(graph, node, 2):
        return on_cpu("ExecuTorch builds FullyConnected with constant weights and biases only")
    # Rank 2 whatever the input: ExecuTorch reshapes around it (_passes/fixed_linear_keep_dim.py).
    deep = len(shape_of(graph, ref_at(node, 0))) > 2
    steps = (SideOp("Reshape", (_IN, _IN)), SideOp("Reshape", (_OUT, _OUT))) if deep else ()
    return Built(Fate.OP, "FullyConnected", _weighted(node, weight, 0), case="rank2", steps=steps)


def _weighted(node: Node, weight: Ref | None, ch_axis: int) -> tuple[Input, ...]:
    bias = ref_at(node, 2, "bias")
    return (Input(ref_at(node, 0)), Input(weight, Role.WEIGHT, ch_axis), Input(bias, Role.BIAS))


def _matmul(node: Node, graph: Graph) -> Built:
    left, right = ref_at(node, 0), ref_at(node, 1)
    if min(len(shape_of(graph, left)), len(shape_of(graph, right))) < 2:
        return on_cpu("ExecuTorch builds MatMul of matrices only")
    return Built(Fate.OP, "MatMul", (Input(left), Input(right, Role.OPERAND)))


TABLE = table(
    (_convolution(6, transposed=False), ("conv1d.default", "conv2d.default", "conv3d.default")),
    (_same_convolution, ("conv1d.padding", "conv2d.padding", "conv3d.padding")),
    (
        _convolution(6, transposed=True),
        ("conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"),
    ),
    (_any_convolution, ("convolution.default",)),
    (_linear, ("linear.default",)),
    (_matmul, ("bmm.default", "matmul.default", "mm.default")),
    (op("HadamardTransform", 0), ("qnn_custom.hadamard_transform.default",)),
)
