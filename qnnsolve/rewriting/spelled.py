"""Ops that neither the accelerator nor ExecuTorch knows, as ops that it does: :data:`SPELLED`.

Each definition takes what the op takes, and computes the same, exactly in float; None where that form stays
whole. `composites` traces them. What is made of sizes alone (a mask, a row of places) is a constant once it is folded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from qnnsolve.rewriting.combined import COMBINED
from qnnsolve.rewriting.diagonals import DIAGONALS
from qnnsolve.rewriting.patches import PATCHES
from qnnsolve.rewriting.sampled import SAMPLED

__all__ = ["ABOUT_NAN", "SPELLED"]

_aten = torch.ops.aten
_Tensor = torch.Tensor


def _each_float(definition: Callable[..., Any]) -> Callable[..., Any]:
    """For floating-point numbers alone; whole ones stay, where the accelerator computes little."""

    def spelled(x: _Tensor, *args: Any, **kwargs: Any) -> Any:
        return definition(x, *args, **kwargs) if x.is_floating_point() else None

    return spelled


def _not_a_number(x: _Tensor) -> _Tensor:
    return x != x


def _nan_to_num(
    x: _Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> _Tensor | None:
    """By default infinities become the largest finite numbers, which lie beyond the end of any range."""
    if posinf is not None or neginf is not None:
        return None
    return x.masked_fill(_not_a_number(x), nan or 0.0)


def _heaviside(x: _Tensor, at_zero: _Tensor) -> _Tensor:
    return torch.where(x == 0, at_zero, (x > 0).to(x.dtype))


def _hardshrink(x: _Tensor, limit: float = 0.5) -> _Tensor:
    return x.masked_fill(x.abs() <= limit, 0.0)


def _softshrink(x: _Tensor, limit: float = 0.5) -> _Tensor:
    return x - x.clamp(-limit, limit)


def _celu(x: _Tensor, alpha: float = 1.0) -> _Tensor:
    return torch.nn.functional.elu(x / alpha) * alpha


def _softplus(x: _Tensor, beta: float = 1, threshold: float = 20) -> _Tensor | None:
    """The usual one of ``beta x``; where that is above the threshold, ``x`` itself."""
    if (beta, threshold) == (1, 20):
        return None
    scaled = x if beta == 1 else x * beta
    soft = torch.nn.functional.softplus(scaled)
    soft = soft if beta == 1 else soft / beta
    return soft if threshold == 20 else torch.where(scaled > threshold, x, soft)


def _logit(x: _Tensor, eps: float | None = None) -> _Tensor:
    """A difference of logarithms: a quotient that reaches from 0 to infinity has no range."""
    within = x if eps is None else x.clamp(eps, 1 - eps)
    return within.log() - (1 - within).log()


def _xlogy(x: _Tensor, y: _Tensor) -> _Tensor:
    return (x * y.log()).masked_fill(x == 0, 0.0)


def _logaddexp2(x: _Tensor, y: _Tensor) -> _Tensor:
    return torch.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)


def _copysign(x: _Tensor, y: _Tensor) -> _Tensor:
    return torch.where(y < 0, -x.abs(), x.abs())


def _is_close(
    x: _Tensor, y: _Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> _Tensor | None:
    return None if equal_nan else (x - y).abs() <= atol + rtol * y.abs()


def _nan_sum(
    x: _Tensor, dim: list[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> _Tensor | None:
    if dtype not in (None, x.dtype):
        return None
    numbers = x.masked_fill(_not_a_number(x), 0.0)
    return numbers.sum() if dim is None else numbers.sum(dim, keepdim)


def _nan_mean(
    x: _Tensor, dim: list[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> _Tensor | None:
    total = _nan_sum(x, dim, keepdim, dtype=dtype)
    numbers = (x == x).to(x.dtype)
    return None if total is None else total / (numbers.sum() if dim is None else numbers.sum(dim, keepdim))


def _distance(x: _Tensor, y: _Tensor, p: float = 2) -> _Tensor:
    length: _Tensor = torch.linalg.vector_norm((x - y).flatten(), p, 0)
    return length


def _pairwise_distance(x: _Tensor, y: _Tensor, p: float = 2, eps: float = 1e-6, keepdim: bool = False) -> _Tensor:
    length: _Tensor = torch.linalg.vector_norm(x - y + eps, p, -1, keepdim)
    return length


def _distances(x: _Tensor, y: _Tensor, p: float = 2, compute_mode: int | None = None) -> _Tensor | None:
    """Of each row of one to each of the other; those by squares are ExecuTorch's."""
    if p in (0, 2):
        return None
    apart = (x.unsqueeze(-2) - y.unsqueeze(-3)).abs()
    if p == 1:
        return apart.sum(-1)
    return apart.amax(-1) if math.isinf(p) else apart.pow(p).sum(-1).pow(1 / p)


def _both_ends(x: _Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[_Tensor, _Tensor]:
    return (x.amin(), x.amax()) if dim is None else (x.amin(dim, keepdim), x.amax(dim, keepdim))


def _addbmm(x: _Tensor, one: _Tensor, other: _Tensor, *, beta: float = 1, alpha: float = 1) -> _Tensor:
    product = torch.bmm(one, other).sum(0)
    return (x if beta == 1 else x * beta) + (product if alpha == 1 else product * alpha)


def _index_add(x: _Tensor, dim: int, index: _Tensor, source: _Tensor, *, alpha: float = 1) -> _Tensor | None:
    if not x.dim():
        return None
    places = index.view([-1 if each == dim % x.dim() else 1 for each in range(x.dim())]).expand(source.shape)
    return x.scatter_add(dim, places.to(torch.int64), source if alpha == 1 else source * alpha)


def _index_fill(x: _Tensor, dim: int, index: _Tensor, value: float | _Tensor) -> _Tensor | None:
    if not x.dim():
        return None
    sizes = [index.numel() if each == dim % x.dim() else size for each, size in enumerate(x.shape)]
    filled = value.expand(sizes) if isinstance(value, _Tensor) else x.new_full(sizes, value)
    return x.index_copy(dim, index, filled)


def _median(x: _Tensor, dim: int, keepdim: bool = False) -> tuple[_Tensor, _Tensor]:
    """The lower one of the two in the middle."""
    return torch.kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def _quantile(
    x: _Tensor, q: float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> _Tensor | None:
    if interpolation != "linear" or (dim is None and keepdim):
        return None
    values, along = (x.flatten(), 0) if dim is None else (x, dim)
    place = q * (values.shape[along] - 1)
    low = torch.kthvalue(values, math.floor(place) + 1, along, keepdim)[0]
    if place == math.floor(place):
        return low
    high = torch.kthvalue(values, math.floor(place) + 2, along, keepdim)[0]
    return low + (high - low) * (place - math.floor(place))


def _running_product(x: _Tensor, dim: int, *, dtype: torch.dtype | None = None) -> _Tensor | None:
    """Each times the one before it, then times that two before, four before ..."""
    if dtype not in (None, x.dtype) or not x.dim():
        return None
    size, step = x.shape[dim], 1
    while step < size:
        further = x.narrow(dim, step, size - step) * x.narrow(dim, 0, size - step)
        x, step = torch.cat([x.narrow(dim, 0, step), further], dim), step * 2
    return x


def _product(
    x: _Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> _Tensor | None:
    """One half times the other, until one is left."""
    if dtype not in (None, x.dtype) or not x.numel() or not x.dim():
        return None
    values, along = (x.flatten(), 0) if dim is None else (x, dim)
    while (size := values.shape[along]) > 1:
        half = size // 2
        halved = values.narrow(along, 0, half) * values.narrow(along, half, half)
        values = torch.cat([halved, values.narrow(along, size - 1, 1)], along) if size % 2 else halved
    return values if keepdim else values.squeeze(along)


_OF_FLOATS: dict[Any, Callable[..., Any]] = {
    _aten.addbmm.default: _addbmm,
    _aten.aminmax.default: _both_ends,
    _aten.cdist.default: _distances,
    _aten.celu.default: _celu,
    _aten.copysign.Tensor: _copysign,
    _aten.cumprod.default: _running_product,
    _aten.deg2rad.default: lambda x: x * (math.pi / 180),
    _aten.dist.default: _distance,
    _aten.exp2.default: lambda x: torch.exp(x * math.log(2)),
    _aten.float_power.Tensor_Scalar: lambda x, power: x.pow(power).to(torch.float64),
    _aten.fmax.default: torch.maximum,
    _aten.fmin.default: torch.minimum,
    _aten.frac.default: lambda x: x - x.trunc(),
    _aten.hardshrink.default: _hardshrink,
    _aten.heaviside.default: _heaviside,
    _aten.hypot.default: lambda x, y: (x * x + y * y).sqrt(),
    _aten.index_add.default: _index_add,
    _aten.index_fill.int_Scalar: _index_fill,
    _aten.index_fill.int_Tensor: _index_fill,
    _aten.isnan.default: _not_a_number,
    _aten.isclose.default: _is_close,
    _aten.logaddexp2.default: _logaddexp2,
    _aten.logical_not.default: lambda x: x == 0,
    _aten.logit.default: _logit,
    _aten.median.default: lambda x: torch.kthvalue(x.flatten(), (x.numel() + 1) // 2)[0],
    _aten.median.dim: _median,
    _aten.nan_to_num.default: _nan_to_num,
    _aten.nanmean.default: _nan_mean,
    _aten.nansum.default: _nan_sum,
    _aten.pairwise_distance.default: _pairwise_distance,
    _aten.prod.default: _product,
    _aten.prod.dim_int: _product,
    _aten.quantile.scalar: _quantile,
    _aten.real.default: torch.clone,
    _aten.rad2deg.default: lambda x: x * (180 / math.pi),
    _aten.sgn.default: torch.sign,
    _aten.signbit.default: lambda x: x < 0,
    _aten.softplus.default: _softplus,
    _aten.softshrink.default: _softshrink,
    _aten.xlogy.Tensor: _xlogy,
}

SPELLED: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        **COMBINED,
        **DIAGONALS,
        **PATCHES,
        **SAMPLED,
        **{target: _each_float(definition) for target, definition in _OF_FLOATS.items()},
        _aten.positive.default: _aten.clone.default,
    }
)
"""By aten target, its definition. What torch defines itself, as it is wanted here, is in `composites`."""

ABOUT_NAN = frozenset((_aten.isnan.default, _aten.nan_to_num.default, _aten.nanmean.default, _aten.nansum.default))
"""What tells numbers from what is none: an input may hold such, which only the CPU sees."""
