"""Tensors read at places that sizes alone decide: paddings and resizes (:data:`SAMPLED`).

Each dimension by itself: its places are gathered (padding by the edge or around it, resizing to the nearest), or it is
multiplied by a matrix (resizing linearly, or with antialiasing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["SAMPLED"]

_aten = torch.ops.aten
_Tensor = torch.Tensor
_VOLUME = 5
"""The rank of a batch of volumes with channels."""


def _padded(x: _Tensor, pad: list[int], mode: str = "constant", value: float | None = None) -> _Tensor | None:
    """By the edge, or around it; with a number, where that takes away as well."""
    sides = [(x.dim() - 1 - at, pad[2 * at], pad[2 * at + 1]) for at in range(len(pad) // 2)]
    made = x
    if mode == "constant":
        if min(pad, default=0) >= 0:
            return None
        for dim, before, after in sides:
            start, end = max(-before, 0), x.shape[dim] - max(-after, 0)
            made = made.narrow(dim, start, end - start)
        added = [max(size, 0) for size in pad]
        return torch.nn.functional.pad(made, added, value=value) if any(added) else made
    if mode not in ("replicate", "circular"):
        return None
    for dim, before, after in sides:
        size = x.shape[dim]
        if mode == "replicate":
            places = torch.arange(-before, size + after).clamp(0, size - 1)
        else:  # around what is left of it
            left = size + min(before, 0) + min(after, 0)
            places = torch.arange(-max(before, 0), left + max(after, 0)) % left + max(-before, 0)
        if before or after:
            made = made.index_select(dim, places)
    return made


def _nearest(target: Any, line: Any) -> Callable[..., _Tensor | None]:
    """By the places that the resize of one ``line`` takes."""

    def spelled(x: _Tensor, size: list[int] | None, factors: list[float] | None) -> _Tensor | None:
        before = x.shape[2:]
        after = size or [math.floor(one * by) for one, by in zip(before, factors or (), strict=True)]
        if len(before) == 2 and not any(more % one for one, more in zip(before, after, strict=True)):
            # The accelerator's own; torch's two kinds differ in other ratios only.
            return None if target is _aten.upsample_nearest2d.vec else _aten.upsample_nearest2d.vec(x, after, None)
        made = x
        for at, length in enumerate(before):
            places = torch.arange(length, dtype=torch.float32).view(1, 1, length)
            taken = line(places, size and [size[at]], factors and [factors[at]])
            made = made.index_select(at + 2, taken.view(-1).to(torch.int64))
        return made

    return spelled


def _multiplied(x: _Tensor, dim: int, columns: _Tensor) -> _Tensor:
    turned = x.transpose(dim, -1)
    product = torch.nn.functional.linear(turned.flatten(0, -2), columns.t())
    return product.view(*turned.shape[:-1], columns.shape[1]).transpose(dim, -1)


def _in_rows(x: _Tensor, dim: int, columns: _Tensor) -> _Tensor:
    """In three dimensions, before it and behind it as one each.

    A product of two dimensions that is viewed in five comes out wrong: 110 % off (HTP emulator, V68, QNN 2.51).
    """
    rows = x.reshape(-1, x.shape[dim], math.prod(x.shape[dim + 1 :]))
    product = torch.nn.functional.linear(rows.transpose(1, 2), columns.t()).transpose(1, 2)
    return product.reshape(*x.shape[:dim], columns.shape[1], *x.shape[dim + 1 :])


def _linear(line: Any, plane: bool = False) -> Callable[..., _Tensor]:
    """By a matrix of which each column is what the resize of one ``line`` makes of a one among zeros."""

    def spelled(x: _Tensor, size: list[int] | None, corners: bool, factors: list[float] | None) -> _Tensor:
        made = x
        for at, length in enumerate(x.shape[2:]):
            ones = torch.eye(length).view(length, 1, *([1] if plane else []), length)
            to, by = size and [size[at]], factors and [factors[at]]
            columns = line(ones, to and [1] * plane + to, corners, by and [1.0] * plane + by).view(length, -1)
            made = _multiplied(made, at + 2, columns) if x.dim() < _VOLUME else _in_rows(made, at + 2, columns)
        return made

    return spelled


SAMPLED: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        _aten.pad.default: _padded,
        **{
            target: lambda x, padding: _padded(x, padding, "replicate")
            for target in (
                _aten.replication_pad1d.default,
                _aten.replication_pad2d.default,
                _aten.replication_pad3d.default,
            )
        },
        **{
            target: _nearest(target, _aten.upsample_nearest1d.vec)
            for target in (
                _aten.upsample_nearest1d.vec,
                _aten.upsample_nearest2d.vec,
                _aten.upsample_nearest3d.vec,
            )
        },
        **{
            target: _nearest(target, _aten._upsample_nearest_exact1d.vec)
            for target in (
                _aten._upsample_nearest_exact1d.vec,
                _aten._upsample_nearest_exact2d.vec,
                _aten._upsample_nearest_exact3d.vec,
            )
        },
        _aten.upsample_linear1d.vec: _linear(_aten.upsample_linear1d.vec),
        _aten.upsample_trilinear3d.vec: _linear(_aten.upsample_linear1d.vec),
        _aten._upsample_bilinear2d_aa.vec: _linear(_aten._upsample_bilinear2d_aa.vec, plane=True),
        _aten._upsample_bicubic2d_aa.vec: _linear(_aten._upsample_bicubic2d_aa.vec, plane=True),
    }
)
"""By aten target, its definition; None where it stays whole."""
