"""Patches of images as columns, and columns as images (``unfold``, ``fold``): :data:`PATCHES`.

ExecuTorch (1.5.1) builds square patches side by side. All others are gathered, rows first, then columns; and summed up
by a transposed convolution whose weights are ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["PATCHES"]

_aten = torch.ops.aten
_Tensor = torch.Tensor


def _side_by_side(kernel: list[int], dilation: list[int], padding: list[int], stride: list[int]) -> bool:
    """Whether ExecuTorch builds it."""
    square = len(set(kernel)) == 1 and list(stride) == list(kernel)
    return square and set(dilation) == {1} and set(padding) == {0}


def _unfold(
    x: _Tensor, kernel: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> _Tensor | None:
    if _side_by_side(kernel, dilation, padding, stride) or x.dim() != 4:
        return None
    made = torch.nn.functional.pad(x, (padding[1], padding[1], padding[0], padding[0])) if any(padding) else x
    counts = []
    for dim in (2, 3):
        at = dim - 2
        count = (made.shape[dim] - dilation[at] * (kernel[at] - 1) - 1) // stride[at] + 1
        places = torch.arange(kernel[at]).unsqueeze(1) * dilation[at] + torch.arange(count) * stride[at]
        counts.append((count, places.flatten()))
    (rows, row_places), (columns, column_places) = counts
    made = made.index_select(2, row_places).index_select(3, column_places)
    made = made.reshape(x.shape[0] * x.shape[1], kernel[0], rows, kernel[1], columns).permute(0, 1, 3, 2, 4)
    return made.reshape(x.shape[0], x.shape[1] * kernel[0] * kernel[1], rows * columns)


def _fold(
    x: _Tensor, size: list[int], kernel: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> _Tensor | None:
    if _side_by_side(kernel, dilation, padding, stride) or x.dim() != 3 or not x.is_floating_point():
        return None
    reach = [dilation[at] * (kernel[at] - 1) + 1 for at in (0, 1)]
    counts = [(size[at] + 2 * padding[at] - reach[at]) // stride[at] + 1 for at in (0, 1)]
    left = [size[at] + 2 * padding[at] - reach[at] - (counts[at] - 1) * stride[at] for at in (0, 1)]
    taps = kernel[0] * kernel[1]
    channels = x.shape[1] // taps
    ones = torch.eye(taps, dtype=x.dtype).view(taps, 1, *kernel).repeat(channels, 1, 1, 1)
    columns = x.view(x.shape[0], x.shape[1], *counts)
    return torch.nn.functional.conv_transpose2d(columns, ones, None, stride, padding, left, channels, dilation)


PATCHES: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {_aten.im2col.default: _unfold, _aten.col2im.default: _fold}
)
"""By aten target, its definition; None where it stays whole."""
