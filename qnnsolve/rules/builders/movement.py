"""Ops that only move data: shapes, slices, concatenation, padding; and those that lowering removes."""

from __future__ import annotations

from qnnsolve.facts.graph import GETITEM, Graph, Node, Ref
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    SideOp,
    identity,
    item,
    no_builder,
    on_cpu,
    op,
    ref_at,
    shape_of,
    table,
)

__all__ = ["TABLE"]


def _joined(name: str) -> Builder:
    """All tensors of the list at argument 0 as one."""

    def builder(node: Node, graph: Graph) -> Built:
        parts = node.argument(0, "tensors")
        refs = tuple(part for part in parts if isinstance(part, Ref)) if isinstance(parts, tuple) else ()
        return Built(Fate.OP, name, tuple(Input(ref) for ref in refs))

    return builder


def _stack(node: Node, graph: Graph) -> Built:
    if node.tensor is not None and node.tensor.dtype in ("int32", "int64"):
        # QNN packs no integers, and ExecuTorch decomposes (partition/utils.py, filter_fn).
        return Built(Fate.OP, "Concat", _joined("Concat")(node, graph).inputs, steps=(SideOp("Reshape", (0, 0)),))
    return _joined("Pack")(node, graph)


def _tiled(node: Node, graph: Graph) -> Built:
    source = ref_at(node, 0)
    before, after = shape_of(graph, source), () if node.tensor is None else node.tensor.shape
    if before == after:
        return identity(node, graph)
    if len(before) < len(after) and node.target == "aten.repeat.default":
        return on_cpu("ExecuTorch builds aten.repeat without new dimensions only")
    # ExecuTorch brings the input to the rank of the output first (_passes/expand_broadcast_tensor_shape.py).
    steps = (SideOp("Reshape", (0, 0)),) if len(before) < len(after) else ()
    return Built(Fate.OP, "Tile", (Input(source),), steps=steps)


_RANK = 5
"""Dimensions that HTP knows at most."""


def _shaped(name: str) -> Builder:
    """An op that gives its input another shape."""

    def builder(node: Node, graph: Graph) -> Built:
        source = ref_at(node, 0)
        if max(len(shape_of(graph, source)), len(node.tensor.shape) if node.tensor is not None else 0) > _RANK:
            return on_cpu(f"HTP has {_RANK} dimensions at most")
        return Built(Fate.OP, name, (Input(source),))

    return builder


def _split(node: Node, graph: Graph) -> Built:
    if len(node.tensors) == 1:
        return on_cpu("QNN splits into two parts or more")
    return Built(Fate.OP, "Split", (Input(ref_at(node, 0)),))


_MODES = {"constant": "constant", "reflect": "reflect"}


def _pad(node: Node, graph: Graph) -> Built:
    """``aten.pad`` by mode; reflections of two dimensions and more are other ops by now (_passes/decompose_pad.py)."""
    mode, amounts = node.argument(2, "mode", "constant"), node.argument(1, "pad")
    case = _MODES.get(str(mode))
    if case is None:
        return on_cpu(f"ExecuTorch has no builder for padding by mode '{mode}'")
    return _padded(node, amounts, case)


def _constant_pad(node: Node, graph: Graph) -> Built:
    return _padded(node, node.argument(1, "pad"), "constant")


def _reflection_pad(node: Node, graph: Graph) -> Built:
    return _padded(node, node.argument(1, "padding"), "reflect")


def _padded(node: Node, amounts: object, case: str) -> Built:
    if isinstance(amounts, tuple) and any(isinstance(amount, int) and amount < 0 for amount in amounts):
        return on_cpu("ExecuTorch builds no padding by negative amounts")
    return Built(Fate.OP, "Pad", (Input(ref_at(node, 0)),), case=case)


TABLE = table(
    (item, (GETITEM,)),
    (_split, ("split_with_sizes.default", "split_with_sizes_copy.default", "split.Tensor", "chunk.default")),
    (op("UnPack", 0), ("unbind.int",)),
    (_pad, ("pad.default",)),
    (_constant_pad, ("constant_pad_nd.default",)),
    (_reflection_pad, ("reflection_pad1d.default", "reflection_pad2d.default")),
    (op("StridedSlice", 0), ("select.int", "slice.Tensor", "narrow.default", "flip.default")),
    (
        _shaped("Transpose"),
        (
            "permute.default",
            "transpose.int",
            "swapaxes.default",
            "swapdims.default",
            "movedim.int",
            "movedim.intlist",
            "moveaxis.int",
            "moveaxis.intlist",
            "t.default",
            "mT.default",
            "numpy_T.default",
        ),
    ),
    (
        _shaped("Reshape"),
        (
            "flatten.using_ints",
            "ravel.default",
            "reshape.default",
            "reshape_as.default",
            "view.default",
            "view_as.default",
            "_unsafe_view.default",
            "view_copy.default",
            "squeeze.default",
            "squeeze.dim",
            "squeeze.dims",
            "squeeze_copy.dims",
            "unsqueeze.default",
            "unsqueeze_copy.default",
            "unflatten.int",
        ),
    ),
    (_joined("Concat"), ("cat.default", "concat.default", "concatenate.default")),
    (_stack, ("stack.default",)),
    (_tiled, ("expand.default", "expand_as.default", "broadcast_to.default", "repeat.default")),
    (
        identity,
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
    (no_builder, ("replication_pad1d.default", "replication_pad2d.default", "replication_pad3d.default")),
    (no_builder, ("unfold.default",)),
)
