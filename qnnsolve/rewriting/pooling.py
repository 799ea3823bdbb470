"""Poolings that ExecuTorch builds wrongly, or the accelerator computes wrongly, written otherwise: :data:`POOLINGS`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rules.builders.images import averages_right

__all__ = ["POOLINGS"]

aten = torch.ops.aten


def _each(size: Any, dims: int) -> list[int]:
    """A size per dimension: it may be one number for all, or a list of one."""
    sizes = [size] if isinstance(size, int) else list(size)
    return sizes * dims if len(sizes) == 1 else sizes


def _average_over_images(emit: Emitter, node: FxNode) -> FxNode | None:
    """Rows, then columns, where the accelerator's average is garbage (:func:`averages_right`).

    A stride that is left out is the kernel's size, which ExecuTorch's builder does not always know (1.5.1)."""
    kernel, divisor = _each(node.args[1], 2), argument(node, 6, "divisor_override")
    stride = _each(argument(node, 2, "stride", []) or kernel, 2)
    rows, columns = _each(argument(node, 3, "padding", 0), 2)
    rounds_up, counts = argument(node, 4, "ceil_mode", False), argument(node, 5, "count_include_pad", True)
    if averages_right(kernel, stride, node.meta["val"].shape[-2:]) or divisor not in (None, math.prod(kernel)):
        node.args, node.kwargs = (node.args[0], kernel, stride, [rows, columns], rounds_up, counts, divisor), {}
        return None
    high, wide = kernel
    averaged = emit(aten.avg_pool2d.default, node.args[0], [high, 1], [high, 1], [rows, 0], rounds_up, counts)
    return emit(aten.avg_pool2d.default, averaged, [1, wide], [1, wide], [0, columns], rounds_up, counts)


def _average_over_regions(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    before, after = source.meta["val"].shape[-2:], node.meta["val"].shape[-2:]
    if not all(isinstance(size, int) for size in (*before, *after)) or any(
        size % part for size, part in zip(before, after, strict=True)
    ):
        return None
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


POOLINGS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.avg_pool2d.default: _average_over_images,
        aten.adaptive_avg_pool2d.default: _average_over_regions,
        aten.avg_pool3d.default: _average_over_volumes,
        aten.max_pool1d.default: _largest_by_kernel(1),
        aten.max_pool2d.default: _largest_by_kernel(2),
        aten.max_pool2d_with_indices.default: _largest_by_kernel(2),
        aten.max_pool3d.default: _largest_by_kernel(3),
    }
)
"""By aten target, what is written instead."""
