"""Normalizations."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import OUTPUT, Built, Fate, Input, on_cpu, ref_at, shape_of, table
from qnnsolve.rules.request import Role

__all__ = ["TABLE"]

SEQUENCES = 3
"""Dimensions of a batch of sequences."""


def _layer_norm(node: Node, graph: Graph) -> Built:
    shape, before = node.argument(1), shape_of(graph, ref_at(node, 0))
    if isinstance(shape, tuple) and len(shape) != 1:
        return on_cpu("ExecuTorch builds LayerNorm over the last dimension only")
    if any(port in graph.items_of(node.name) for port in (1, 2)) or not before:
        return on_cpu("QNN's LayerNorm yields neither mean nor deviation")
    inputs = (Input(ref_at(node, 0)), _scale(node, 2), Input(ref_at(node, 3, "bias"), Role.BIAS))
    return Built(Fate.OP, "LayerNorm", inputs, outputs=(0,))


def _scale(node: Node, index: int) -> Input:
    """The weight; where there is none ExecuTorch makes one of ones, declared like the output."""
    weight = ref_at(node, index, "weight")
    return Input(None, Role.NORM, like=OUTPUT) if weight is None else Input(weight, Role.NORM)


def _rms_norm(node: Node, graph: Graph) -> Built:
    shape = node.argument(1)
    if isinstance(shape, tuple) and len(shape) != 1:
        return on_cpu("ExecuTorch builds RmsNorm over the last dimension only")
    # QNN wants a bias: ExecuTorch makes one of zeros, declared like the output (builders/op_rms_norm.py).
    inputs = (Input(ref_at(node, 0)), _scale(node, 2), Input(None, Role.BIAS, like=OUTPUT))
    return Built(Fate.OP, "RmsNorm", inputs)


def _batch_norm(node: Node, graph: Graph) -> Built:
    if node.argument(5, "training", False):
        return on_cpu("it is in training mode, with the statistics of its input: export the model after .eval()")
    return Built(Fate.OP, "Batchnorm", _affine(node, 1))


def _instance_norm(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "InstanceNorm", _affine(node, 1), case=_of_sequences(node, graph))


def _group_norm(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "GroupNorm", _affine(node, 2), case=_of_sequences(node, graph))


def _of_sequences(node: Node, graph: Graph) -> str | None:
    """The case of several sequences at once: HTP refuses their InstanceNorm, and computes their GroupNorm wrong
    (HTP emulator, QNN 2.51, V68 to V81: sequences of 7 with 3 and 6 channels)."""
    before = shape_of(graph, ref_at(node, 0))
    return "rank3_batch" if len(before) == SEQUENCES and before[0] != 1 else None


def _affine(node: Node, weight: int) -> tuple[Input, ...]:
    return (
        Input(ref_at(node, 0)),
        Input(ref_at(node, weight, "weight"), Role.NORM),
        Input(ref_at(node, weight + 1, "bias"), Role.BIAS),
    )


TABLE = table(
    (_layer_norm, ("layer_norm.default", "native_layer_norm.default")),
    (_rms_norm, ("rms_norm.default",)),
    (_batch_norm, ("batch_norm.default",)),
    (_instance_norm, ("instance_norm.default",)),
    (_group_norm, ("group_norm.default",)),
)
