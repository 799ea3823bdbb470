"""Resizing, shuffling and the other ops on images but pooling; they need a batch dimension."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.batched import OUT, batched, sizes_of
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    SideOp,
    no_builder,
    on_cpu,
    ref_at,
    shape_of,
    table,
)

__all__ = ["TABLE"]


def _nearest(node: Node, graph: Graph) -> Built:
    before, after = shape_of(graph, ref_at(node, 0)), () if node.tensor is None else node.tensor.shape
    if any(size is None or not more or more % size for size, more in zip(before[2:], after[2:], strict=False)):
        return on_cpu("HTP picks other neighbours than torch where the ratio is no whole number")
    return batched("ResizeNearestNeighbor", 4)(node, graph)


def _bicubic(node: Node, graph: Graph) -> Built:
    if node.argument(2, "align_corners", False):
        return on_cpu("HTP resizes bicubically between aligned corners wrong")
    return batched("Resize", 4)(node, graph)


def _grid_sample(node: Node, graph: Graph) -> Built:
    """The grid is transposed first (builders/op_grid_sampler_2d.py)."""
    inputs = (Input(ref_at(node, 0)), Input(ref_at(node, 1)))
    return Built(Fate.OP, "GridSample", inputs, steps=(SideOp("Transpose", (1, 1)),))


def _patches(name: str, rank: int) -> Builder:
    """``unfold`` or ``fold`` of square patches that do not overlap (_passes/decompose_col_im.py)."""

    def builder(node: Node, graph: Graph) -> Built:
        at = 1 if name == "SpaceToDepth" else 2
        kernel, stride = _pair(node.argument(at, "kernel_size")), _pair(node.argument(at + 3, "stride", 1))
        dilation, padding = _pair(node.argument(at + 1, "dilation", 1)), _pair(node.argument(at + 2, "padding", 0))
        if kernel != stride or kernel[0] != kernel[1] or dilation != (1, 1) or padding != (0, 0):
            return on_cpu("ExecuTorch builds square patches side by side only")
        return batched(name, rank, SideOp("Reshape", (OUT, OUT)))(node, graph)

    return builder


def _pair(value: object) -> tuple[object, ...]:
    sizes = sizes_of(value)
    return sizes * 2 if len(sizes) == 1 else sizes


TABLE = table(
    (_bicubic, ("upsample_bicubic2d.vec",)),
    (batched("ResizeBilinear", 4), ("upsample_bilinear2d.vec",)),
    (_nearest, ("upsample_nearest2d.vec",)),
    (batched("DepthToSpace", 4), ("pixel_shuffle.default",)),
    (batched("SpaceToDepth", 4), ("pixel_unshuffle.default",)),
    (batched("ChannelShuffle", 4), ("channel_shuffle.default",)),
    (_grid_sample, ("grid_sampler.default",)),
    (_patches("SpaceToDepth", 4), ("im2col.default",)),
    (_patches("DepthToSpace", 3), ("col2im.default",)),
    (
        no_builder,
        (
            "upsample_nearest1d.vec",
            "upsample_nearest3d.vec",
            "_upsample_nearest_exact1d.vec",
            "_upsample_nearest_exact2d.vec",
            "_upsample_nearest_exact3d.vec",
            "upsample_linear1d.vec",
            "upsample_trilinear3d.vec",
            "_upsample_bilinear2d_aa.vec",
            "_upsample_bicubic2d_aa.vec",
        ),
    ),
)
