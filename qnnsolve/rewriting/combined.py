"""Ops of two tensors in forms that the accelerator lacks, powers, areas, ``mish``, volumes: :data:`COMBINED`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["COMBINED"]

_aten = torch.ops.aten
_Tensor = torch.Tensor
_RANK = 4
"""Products of more dimensions are not computed right (QNN 2.51)."""


def _of_one_kind(target: Any) -> Callable[..., _Tensor | None]:
    """Whole numbers beside fractions: cast on their own, once where they are constant."""

    def spelled(x: Any, y: Any, **kwargs: Any) -> _Tensor | None:
        if not (isinstance(x, _Tensor) and isinstance(y, _Tensor)) or x.is_floating_point() == y.is_floating_point():
            return None
        whole, other = (y, x) if x.is_floating_point() else (x, y)
        if whole.is_complex():
            return None
        if whole.dtype == torch.bool:
            return torch.where(whole, other, 0.0) if target is _aten.mul.Tensor else None
        cast = [each if each.is_floating_point() else each.to(other.dtype) for each in (x, y)]
        made: _Tensor = target(*cast, **kwargs)
        return made

    return spelled


def _product(x: _Tensor, y: _Tensor) -> _Tensor | None:
    """In three dimensions, or two where one tensor is a matrix."""
    if max(x.dim(), y.dim()) != _RANK + 1 or min(x.dim(), y.dim()) < 2:
        return None
    if y.dim() == 2:
        return (x.flatten(0, -2) @ y).view(*x.shape[:-1], y.shape[-1])
    batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])  # type: ignore[no-untyped-call]
    rows, columns = (each.expand(*batch, *each.shape[-2:]).reshape(-1, *each.shape[-2:]) for each in (x, y))
    return (rows @ columns).view(*batch, x.shape[-2], y.shape[-1])


def _power(x: _Tensor, y: _Tensor) -> _Tensor | None:
    sizes = torch.broadcast_shapes(x.shape, y.shape)  # type: ignore[no-untyped-call]
    return None if x.shape == sizes or not x.is_floating_point() else x.expand(sizes).pow(y)


def _minus(x: _Tensor, y: _Tensor, *, alpha: float = 1) -> _Tensor | None:
    return None if alpha == 1 else y - x * alpha


def _matrix_power(x: _Tensor, times: int) -> _Tensor | None:
    """By squares, as torch does it; an inverse stays whole."""
    if times < 1:
        return None
    power, square = None, x
    while times:
        if times % 2:
            power = square if power is None else power @ square
        times //= 2
        square = square @ square if times else square
    return power


def _areas(y: _Tensor, widths: _Tensor | float, dim: int) -> _Tensor:
    """Of the trapezoids between neighbours."""
    size = y.shape[dim]
    both = y.narrow(dim, 1, size - 1) + y.narrow(dim, 0, size - 1)
    return both * (widths / 2)


def _areas_over(y: _Tensor, x: _Tensor, dim: int = -1) -> _Tensor:
    """``x``: one row of places for all, or as many as ``y`` has values."""
    at = x.view([-1 if each == dim % y.dim() else 1 for each in range(y.dim())]) if x.dim() == 1 else x
    size = at.shape[dim]
    return _areas(y, at.narrow(dim, 1, size - 1) - at.narrow(dim, 0, size - 1), dim)


def _log_of_one(x: _Tensor, dim: int, dtype: torch.dtype | None = None) -> _Tensor | None:
    """Over one value it is zero; the accelerator's own is 76 % off in a wider range (HTP emulator, V68, QNN 2.51)."""
    return x * 0 if dtype is None and x.dim() and x.shape[dim] == 1 and x.is_floating_point() else None


def _of_floats(definition: Callable[..., _Tensor]) -> Callable[..., _Tensor | None]:
    def spelled(x: _Tensor, *args: Any, **kwargs: Any) -> _Tensor | None:
        return definition(x, *args, **kwargs) if x.is_floating_point() else None

    return spelled


def _repeated(x: _Tensor, counts: list[int]) -> _Tensor | None:
    return None if len(counts) == x.dim() else x.view(*[1] * (len(counts) - x.dim()), *x.shape).repeat(counts)


def _over_volumes(
    x: _Tensor,
    weight: _Tensor,
    bias: _Tensor | None = None,
    stride: list[int] | int = 1,
    padding: list[int] | int = 0,
    dilation: list[int] | int = 1,
    groups: int = 1,
) -> _Tensor | None:
    """One depthwise convolution of images for each step in depth, summed up.

    With several channels of each one, that fails to compile (V68, QNN 2.51).
    """
    if groups == 1 or x.dim() != 5 or not groups == x.shape[1] == weight.shape[0]:
        return None
    strides, around, steps = (
        list(each) * 3 if len(each) == 1 else list(each)
        for each in ([size] if isinstance(size, int) else size for size in (stride, padding, dilation))
    )
    taps, deep = weight.shape[2], torch.nn.functional.pad(x, (0, 0, 0, 0, around[0], around[0]))
    depth = (deep.shape[2] - steps[0] * (taps - 1) - 1) // strides[0] + 1
    frames, total = deep.transpose(1, 2), None
    for tap in range(taps):
        first = tap * steps[0]
        taken = frames[:, first : first + (depth - 1) * strides[0] + 1 : strides[0]].flatten(0, 1)
        added = torch.nn.functional.conv2d(
            taken, weight[:, :, tap], None if tap else bias, strides[1:], around[1:], steps[1:], groups
        )
        total = added if total is None else total + added
    assert total is not None
    return total.view(x.shape[0], depth, *total.shape[1:]).transpose(1, 2)


def _average(pool: Any, dims: int) -> Callable[..., _Tensor | None]:
    """Divided by another number than the region has: multiplied by what that leaves."""

    def spelled(
        x: _Tensor,
        kernel: list[int],
        stride: list[int] | None = None,
        padding: list[int] | int = 0,
        ceil: bool = False,
        counts: bool = True,
        divisor: int | None = None,
    ) -> _Tensor | None:
        if divisor is None or ceil:
            return None
        taps = math.prod(kernel) if len(kernel) == dims else kernel[0] ** dims
        averaged: _Tensor = pool(x, kernel, stride or kernel, padding, False, True)
        return averaged if taps == divisor else averaged * (taps / divisor)

    return spelled


COMBINED: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        **{
            target: _of_one_kind(target)
            for target in (_aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor, _aten.div.Tensor)
        },
        _aten.avg_pool2d.default: _average(_aten.avg_pool2d.default, 2),
        _aten.avg_pool3d.default: _average(_aten.avg_pool3d.default, 3),
        _aten.conv3d.default: _over_volumes,
        _aten.cumulative_trapezoid.dx: _of_floats(lambda y, dx=1, dim=-1: _areas(y, dx, dim).cumsum(dim)),
        _aten.cumulative_trapezoid.x: _of_floats(lambda y, x, dim=-1: _areas_over(y, x, dim).cumsum(dim)),
        _aten.ldexp.Tensor: _of_floats(lambda x, power: x * torch.pow(2.0, power)),
        _aten.linalg_matrix_power.default: _matrix_power,
        _aten.linalg_vecdot.default: _of_floats(lambda x, y, *, dim=-1: (x * y).sum(dim)),
        _aten.log_softmax.int: _log_of_one,
        _aten.matmul.default: _product,
        _aten.mish.default: _of_floats(lambda x: x * torch.tanh(torch.nn.functional.softplus(x))),
        _aten.pow.Tensor_Tensor: _power,
        _aten.repeat.default: _repeated,
        _aten.rsub.Tensor: _minus,
        _aten.trapezoid.dx: _of_floats(lambda y, dx=1, dim=-1: _areas(y, dx, dim).sum(dim)),
        _aten.trapezoid.x: _of_floats(lambda y, x, dim=-1: _areas_over(y, x, dim).sum(dim)),
        _aten.type_as.default: lambda x, other: x.to(other.dtype),
    }
)
"""By aten target, its definition; None where it stays whole."""
