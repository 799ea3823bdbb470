"""Pooling over images, sequences and volumes: averages and maxima."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.batched import IN, OUT, batched, sizes_of
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    SideOp,
    no_builder,
    on_cpu,
    ref_at,
    shape_of,
    table,
)

__all__ = ["SMALLEST_WRONG", "TABLE", "averages_right", "padding_right"]

_TO_2D = (SideOp("Reshape", (IN, IN)), SideOp("Reshape", (OUT, OUT)))
"""Around an op on sequences that is built as one on images."""


SMALLEST_WRONG = 4


def averages_right(kernel: Sequence[int], stride: Sequence[int], results: Sequence[object]) -> bool:
    """Whether the accelerator averages over rows and columns (the last two of each) right.

    The result is garbage where regions lie side by side, have an even number of rows and of columns, 4 or more, and
    there are several of them in either direction: 12 to 38 % off (HTP emulator, QNN 2.51, V68 and V79, 8 and 16 bits:
    ``python -m benchmarks.averages SM8350 SM8750``).
    """
    even = all(size >= SMALLEST_WRONG and size % 2 == 0 for size in kernel[-2:])
    beside = tuple(kernel[-2:]) == tuple(stride[-2:]) and all(size == 1 for size in kernel[:-2])
    return not (even and beside and 1 not in results[-2:])


def padding_right(
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    before: Sequence[object],
    after: Sequence[object],
) -> bool:
    """Whether the accelerator averages over padded regions right, whether padding counts or not.

    The padding is ignored where regions lie side by side and together are no longer than the input without padding: 50
    to 75 % off (HTP emulator, QNN 2.51, V68 and V79, 8 and 16 bits: kernel 3, padding 1 over 9 or 12; kernel 4, padding
    1 over 9, 12 or 13).
    """
    each = zip(kernel, stride, padding, before, after, strict=False)
    return not any(
        size == step and more and isinstance(whole, int) and isinstance(count, int) and count * size <= whole
        for size, step, more, whole, count in each
    )


_GARBAGE = "HTP computes averages over regions of this size wrong"
_OVERHANGS = "HTP divides an average that hangs over the edge by another number"


def _padded_right(node: Node, graph: Graph, dims: int) -> bool:
    sizes = _spread(node.argument(1, "kernel_size"), dims)
    strides = _spread(node.argument(2, "stride"), dims) or sizes
    padding = _spread(node.argument(3, "padding", 0), dims)
    before, after = shape_of(graph, ref_at(node, 0)), () if node.tensor is None else node.tensor.shape
    return padding_right(sizes, strides, padding, before[-dims:], after[-dims:])


def _average_over_sequences(node: Node, graph: Graph) -> Built:
    if not _padded_right(node, graph, 1):
        return on_cpu(_GARBAGE)
    if node.argument(4, "ceil_mode", False) and _overhangs(node, shape_of(graph, ref_at(node, 0))[2:]):
        return on_cpu(_OVERHANGS)
    return _as_measured(batched("PoolAvg2d", 3, *_TO_2D)(node, graph), node, 1)


def _as_measured(built: Built, node: Node, dims: int) -> Built:
    """With the case that measures padded regions side by side: in half precision wrong (HTP emulator, QNN 2.51, V68 to
    V81), and in all types where padding counts."""
    sizes = _spread(node.argument(1, "kernel_size"), dims)
    strides = _spread(node.argument(2, "stride"), dims) or sizes
    if built.op != "PoolAvg2d" or sizes != strides or not any(sizes_of(node.argument(3, "padding", 0))):
        return built
    counts = node.argument(5, "count_include_pad", True)
    return attrs.evolve(built, case="counted_beside" if counts else "uncounted_beside")


def _average(name: str, rank: int) -> Builder:
    def builder(node: Node, graph: Graph) -> Built:
        sizes = _spread(node.argument(1, "kernel_size"), rank - 2)
        strides = _spread(node.argument(2, "stride"), rank - 2) or sizes
        if not averages_right(sizes, strides, () if node.tensor is None else node.tensor.shape):
            return on_cpu(_GARBAGE)
        if not _padded_right(node, graph, rank - 2):
            return on_cpu(_GARBAGE)
        kernel, divisor = node.argument(1, "kernel_size"), node.argument(6, "divisor_override")
        if divisor is not None and divisor != _volume(kernel, rank - 2):
            return on_cpu("ExecuTorch builds averages over the whole pooling region only")
        padding, counts = node.argument(3, "padding", 0), node.argument(5, "count_include_pad", True)
        padded = padding not in (0, (0,), (0, 0, 0), ())
        if name == "PoolAvg3d" and (node.argument(5, "count_include_pad") or (padded and counts)):
            # Measured (HTP emulator, QNN 2.51): told to count padding it is off by up to 92 of 255 steps, and by 16
            # where there is none to count. Unless told, ExecuTorch 1.5.1 does not have it counted.
            return on_cpu("HTP does not count padded zeros in an average over volumes")
        if node.argument(4, "ceil_mode", False) and _overhangs(node, shape_of(graph, ref_at(node, 0))[2:]):
            return on_cpu(_OVERHANGS)
        return _as_measured(batched(name, rank)(node, graph), node, rank - 2)

    return builder


def _overhangs(node: Node, sizes: tuple[int | None, ...]) -> bool:
    """Whether the last window does not end where the padded input does."""
    kernels = _spread(node.argument(1, "kernel_size"), len(sizes))
    strides = _spread(node.argument(2, "stride"), len(sizes)) or kernels
    paddings = _spread(node.argument(3, "padding", 0), len(sizes))
    windows = zip(sizes, kernels, strides, paddings, strict=False)
    return any(((size or 0) + 2 * padding - kernel) % stride for size, kernel, stride, padding in windows)


def _spread(value: object, dimensions: int) -> tuple[int, ...]:
    numbers = tuple(entry for entry in sizes_of(value) if isinstance(entry, int))
    return numbers * dimensions if len(numbers) == 1 else numbers


def _volume(kernel: object, dimensions: int) -> int:
    sizes = kernel if isinstance(kernel, tuple) else (kernel,)
    volume = 1
    for size in sizes * dimensions if len(sizes) == 1 else sizes:
        volume *= size if isinstance(size, int) else 0
    return volume


def _adaptive_average(rank: int, *steps: SideOp) -> Builder:
    """An average over regions of one size: ExecuTorch builds no others (builders/op_adaptive_avg_pool2d.py)."""

    def builder(node: Node, graph: Graph) -> Built:
        before, after = shape_of(graph, ref_at(node, 0)), () if node.tensor is None else node.tensor.shape
        pairs = zip(before[2:], after[2:], strict=False)
        if any(size is None or not part or size % part for size, part in pairs):
            return on_cpu("ExecuTorch builds adaptive averages over regions of one size only")
        region = tuple((size or 0) // (part or 1) for size, part in zip(before[2:], after[2:], strict=False))
        if len(region) > 1 and not averages_right(region, region, after):
            return on_cpu(_GARBAGE)
        return batched("PoolAvg2d", rank, *steps)(node, graph)

    return builder


def _adaptive_average_3d(node: Node, graph: Graph) -> Built:
    size = node.argument(1, "output_size")
    # An average over everything is a mean by the time that it is lowered.
    one = all(entry == 1 for entry in size) if isinstance(size, tuple) else False
    return batched("ReduceMean" if one else "PoolAvg3d", 5)(node, graph)


def _largest(node: Node, graph: Graph) -> Built:
    """A maximum; padding is an op of its own, since QNN pads with zero (_passes/recompose_pad_maxpool2d.py)."""
    if 1 in graph.items_of(node.name):
        return on_cpu("QNN's PoolMax2d has no indices")
    if any(entry != 1 for entry in sizes_of(node.argument(4, "dilation", 1))):
        return on_cpu("ExecuTorch builds PoolMax2d without dilation only")
    padded = any(entry != 0 for entry in sizes_of(node.argument(3, "padding", 0)))
    steps = (SideOp("Pad", (IN, OUT), "constant"),) if padded else ()
    built = batched("PoolMax2d", 4, *steps)(node, graph)
    return built if built.fate is Fate.CPU or not node.several else _first_output(built)


def _adaptive_largest(node: Node, graph: Graph) -> Built:
    if 1 in graph.items_of(node.name):
        return on_cpu("QNN's PoolMax2d has no indices")
    before, after = shape_of(graph, ref_at(node, 0)), node.tensors[0].shape if node.tensors else ()
    if any(not size or not part or size % part for size, part in zip(before[-2:], after[-2:], strict=False)):
        return on_cpu("ExecuTorch builds adaptive maxima as such over regions of one size")
    built = batched("PoolMax2d", 4)(node, graph)
    return built if built.fate is Fate.CPU else _first_output(built)


def _first_output(built: Built) -> Built:
    return Built(built.fate, built.op, built.inputs, outputs=(0,), steps=built.steps)


TABLE = table(
    (_largest, ("max_pool2d.default", "max_pool2d_with_indices.default")),
    (_adaptive_largest, ("adaptive_max_pool2d.default",)),
    (_average("PoolAvg2d", 4), ("avg_pool2d.default",)),
    (_average("PoolAvg3d", 5), ("avg_pool3d.default",)),
    (_adaptive_average(4), ("adaptive_avg_pool2d.default",)),
    (_adaptive_average(3, *_TO_2D), ("adaptive_avg_pool1d.default",)),
    (_average_over_sequences, ("avg_pool1d.default",)),
    (_adaptive_average_3d, ("adaptive_avg_pool3d.default",)),
    (
        no_builder,
        (
            "adaptive_max_pool1d.default",
            "adaptive_max_pool3d.default",
            "max_pool3d.default",
            "max_pool3d_with_indices.default",
        ),
    ),
)
