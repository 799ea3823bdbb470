"""Poolings that ExecuTorch builds wrongly, or the accelerator computes wrongly, written otherwise: :data:`POOLINGS`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.regions import over_regions
from qnnsolve.rules.builders.pooling import averages_right, padding_right

__all__ = ["POOLINGS"]

aten = torch.ops.aten


def _each(size: Any, dims: int) -> list[int]:
    """A size per dimension: it may be one number for all, or a list of one."""
    sizes = [size] if isinstance(size, int) else list(size)
    return sizes * dims if len(sizes) == 1 else sizes


def _share_of_padding(emit: Emitter, node: FxNode, dims: int) -> FxNode | None:
    """Which share of each region is no padding, where padding counts and regions lie side by side; else None.

    The accelerator computes garbage there, mostly zeros, also where a Pad of its own stands in front. Where padding
    does not count, the average is right, but for :func:`padding_right` (HTP emulator, QNN 2.51, V68 and V79, 8 and 16
    bits, kernels 1x2 to
    5x5: the form ``avg_pool2d kernel2 padding1`` of ``benchmarks.sweep``).
    """
    source: Any = node.args[0]
    kernel = _each(node.args[1], dims)
    stride = _each(argument(node, 2, "stride", []) or kernel, dims)
    padding, rounds_up = _each(argument(node, 3, "padding", 0), dims), argument(node, 4, "ceil_mode", False)
    counts, divisor = argument(node, 5, "count_include_pad", True), argument(node, 6, "divisor_override")
    if kernel != stride or not any(padding) or not counts or divisor is not None:
        return None
    if not padding_right(kernel, stride, padding, source.meta["val"].shape[-dims:], node.meta["val"].shape[-dims:]):
        return None
    pool = torch.nn.functional.avg_pool1d if dims == 1 else torch.nn.functional.avg_pool2d
    shape = source.meta["val"].shape
    ones = torch.ones(*[1] * (len(shape) - dims), *shape[-dims:])
    return emit.constant("share_of_padding", pool(ones, kernel, stride, padding, rounds_up, True))


def _average_over_sequences(emit: Emitter, node: FxNode) -> FxNode | None:
    share = _share_of_padding(emit, node, 1)
    if share is None:
        return None
    kernel, padding = _each(node.args[1], 1), _each(argument(node, 3, "padding", 0), 1)
    rest = (kernel, kernel, padding, argument(node, 4, "ceil_mode", False), False)
    return emit(aten.mul.Tensor, emit(aten.avg_pool1d.default, node.args[0], *rest), share)


def _average_over_images(emit: Emitter, node: FxNode) -> FxNode | None:
    """Rows, then columns, where the accelerator's average is garbage (:func:`averages_right`).

    A stride that is left out is the kernel's size, which ExecuTorch's builder does not always know (1.5.1)."""
    kernel, divisor = _each(node.args[1], 2), argument(node, 6, "divisor_override")
    stride = _each(argument(node, 2, "stride", []) or kernel, 2)
    rows, columns = _each(argument(node, 3, "padding", 0), 2)
    share = _share_of_padding(emit, node, 2)
    rounds_up, counts = argument(node, 4, "ceil_mode", False), argument(node, 5, "count_include_pad", True)
    counts = counts and share is None
    right = share is None and averages_right(kernel, stride, node.meta["val"].shape[-2:])
    if right or divisor not in (None, math.prod(kernel)):
        node.args, node.kwargs = (node.args[0], kernel, stride, [rows, columns], rounds_up, counts, divisor), {}
        return None
    high, wide = kernel
    averaged = emit(aten.avg_pool2d.default, node.args[0], [high, 1], [high, 1], [rows, 0], rounds_up, counts)
    whole = emit(aten.avg_pool2d.default, averaged, [1, wide], [1, wide], [0, columns], rounds_up, counts)
    return whole if share is None else emit(aten.mul.Tensor, whole, share)


def _average_over_regions(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    before, after = source.meta["val"].shape[-2:], node.meta["val"].shape[-2:]
    if not all(isinstance(size, int) for size in (*before, *after)):
        return None
    if any(size % part for size, part in zip(before, after, strict=True)):
        return over_regions(emit, aten.mean.dim, source, list(after))
    high, wide = (size // part for size, part in zip(before, after, strict=True))
    if averages_right([high, wide], [high, wide], after):
        return None
    return emit(aten.avg_pool2d.default, emit(aten.avg_pool2d.default, source, [high, 1]), [1, wide])


def _average_over_volumes(emit: Emitter, node: FxNode) -> FxNode | None:
    """Without padding nothing is there to count, and told to count it the accelerator's average is off (QNN 2.51).

    A stride that is left out is the kernel's size, which ExecuTorch's builder does not know (1.5.1)."""
    padding, stride = argument(node, 3, "padding", 0), argument(node, 2, "stride", [])
    counts = argument(node, 5, "count_include_pad", True)
    uncounted = counts and not any([padding] if isinstance(padding, int) else padding)
    if stride and not uncounted:
        return None
    rounds_up, divisor = argument(node, 4, "ceil_mode", False), argument(node, 6, "divisor_override")
    rest = (stride or node.args[1], padding, rounds_up, counts and not uncounted, divisor)
    return emit(aten.avg_pool3d.default, node.args[0], node.args[1], *rest)


def _largest_by_kernel(dims: int) -> Replacement:
    """A stride that is left out is the kernel's size; ExecuTorch's builders and passes fail without one (1.5.1)."""

    def rewritten(_: Emitter, node: FxNode) -> None:
        if not argument(node, 2, "stride", []):
            kernel, padding = _each(node.args[1], dims), _each(argument(node, 3, "padding", 0), dims)
            rest = (padding, _each(argument(node, 4, "dilation", 1), dims), argument(node, 5, "ceil_mode", False))
            node.args, node.kwargs = (node.args[0], kernel, kernel, *rest), {}

    return rewritten


def _largest_over_volumes(emit: Emitter, node: FxNode) -> FxNode | None:
    """Over rows and columns, then over depth, where ExecuTorch's own way fails (``decompose_maxpool3d.py``, 1.5.1): it
    takes batches only, and silently leaves dilation out."""
    source: Any = node.args[0]
    _largest_by_kernel(3)(emit, node)
    kernel, stride, padding = (_each(size, 3) for size in (*node.args[1:3], argument(node, 3, "padding", 0)))
    dilation, rounds_up = _each(argument(node, 4, "dilation", 1), 3), argument(node, 5, "ceil_mode", False)
    if source.meta["val"].dim() == 5 and set(dilation) == {1}:
        return None

    def rows_and_columns(x: FxNode) -> FxNode:
        return emit(aten.max_pool2d.default, x, kernel[1:], stride[1:], padding[1:], dilation[1:], rounds_up)

    def depth(x: FxNode) -> FxNode:
        sizes = ([each[0], rest] for each, rest in ((kernel, 1), (stride, 1), (padding, 0), (dilation, 1)))
        return emit(aten.max_pool2d.default, x, *sizes, rounds_up)

    return _by_planes(emit, node, rows_and_columns, depth)


def _average_over_regions_of(dims: int) -> Replacement:
    """Over regions of several sizes; those of one size ExecuTorch builds."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode | None:
        source: Any = node.args[0]
        return over_regions(emit, aten.mean.dim, source, list(node.meta["val"].shape[-dims:]))

    return rewritten


def _largest_over_regions(emit: Emitter, node: FxNode) -> None:
    """Over regions of several sizes, where only the values are read."""
    source: Any = node.args[0]
    if any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users if user.users):
        return
    made = over_regions(emit, aten.amax.default, source, list(node.meta["val"][0].shape[-2:]))
    if made is None:
        return
    for user in list(node.users):
        user.replace_all_uses_with(made)
        user.graph.erase_node(user)


def _largest_over_regions_of_volumes(emit: Emitter, node: FxNode) -> None:
    """As two over images: ExecuTorch takes it for a ``max_pool3d`` of its output's size (1.5.1)."""
    after = node.meta["val"][0].shape
    if any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users if user.users):
        return
    made = _by_planes(
        emit,
        node,
        lambda x: _values(emit, x, list(after[-2:])),
        lambda x: _values(emit, x, [after[-3], x.meta["val"].shape[-1]]),
    )
    for user in list(node.users):
        user.replace_all_uses_with(made)
        user.graph.erase_node(user)


def _values(emit: Emitter, x: FxNode, size: list[int]) -> FxNode:
    made = over_regions(emit, aten.amax.default, x, size)
    return made if made is not None else emit(operator.getitem, emit(aten.adaptive_max_pool2d.default, x, size), 0)


def _by_planes(
    emit: Emitter, node: FxNode, rows_and_columns: Callable[[FxNode], FxNode], depth: Callable[[FxNode], FxNode]
) -> FxNode:
    """A pooling of volumes: first within each plane, then along the depth."""
    source: Any = node.args[0]
    value = node.meta["val"]
    after = (value[0] if isinstance(value, list | tuple) else value).shape
    *outer, deep, high, wide = source.meta["val"].shape
    flat = rows_and_columns(emit(aten.reshape.default, source, [math.prod(outer), deep, high, wide]))
    lines = emit(aten.reshape.default, flat, [1, math.prod(outer), deep, math.prod(after[-2:])])
    return emit(aten.reshape.default, depth(lines), list(after))


POOLINGS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.avg_pool1d.default: _average_over_sequences,
        aten.avg_pool2d.default: _average_over_images,
        aten.adaptive_avg_pool2d.default: _average_over_regions,
        aten.avg_pool3d.default: _average_over_volumes,
        aten.adaptive_avg_pool1d.default: _average_over_regions_of(1),
        aten.adaptive_avg_pool3d.default: _average_over_regions_of(3),
        aten.adaptive_max_pool2d.default: _largest_over_regions,
        aten.max_pool1d.default: _largest_by_kernel(1),
        aten.max_pool2d.default: _largest_by_kernel(2),
        aten.max_pool2d_with_indices.default: _largest_by_kernel(2),
        aten.max_pool3d.default: _largest_over_volumes,
        aten.adaptive_max_pool3d.default: _largest_over_regions_of_volumes,
    }
)
"""By aten target, what is written instead."""
