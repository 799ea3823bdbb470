"""Diagonals and triangles of matrices, by slices, padding and constant masks: :data:`DIAGONALS`.

A matrix laid out in one row has its diagonal at every (columns + 1)-th place. A product in Einstein's notation in which
a factor names a dimension twice (``iij->j``) takes such a diagonal first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

__all__ = ["DIAGONALS"]

_aten = torch.ops.aten
_Tensor = torch.Tensor


def _diagonal(x: _Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> _Tensor | None:
    rows, columns = x.shape[dim1], x.shape[dim2]
    length = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    if length < 1:
        return None
    first, step = offset if offset >= 0 else -offset * columns, columns + 1
    flat = x.movedim((dim1, dim2), (-2, -1)).flatten(-2)
    return flat[..., first : first + (length - 1) * step + 1 : step]


def _embedded(x: _Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> _Tensor:
    """Each element with zeros behind it, one row after the other, one column too many each."""
    size = x.shape[-1]
    flat = torch.nn.functional.pad(x.unsqueeze(-1), (0, size)).flatten(-2)
    made = flat[..., : size * size].reshape(*x.shape, size)
    if offset:
        aside, down = max(offset, 0), max(-offset, 0)
        made = torch.nn.functional.pad(made, (aside, down, down, aside))
    return made.movedim((-2, -1), (dim1, dim2))


def _einsum(equation: str, factors: Sequence[_Tensor], *, path: Sequence[int] | None = None) -> _Tensor | None:
    """By the diagonals of factors that name a dimension twice; None where none does."""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    named, taken = terms.split(","), list(factors)
    if not any(_twice(each) for each in named):
        return None
    if not arrow:
        every = terms.replace(",", "").replace(".", "")
        result = "..." * ("..." in terms) + "".join(sorted(each for each in set(every) if every.count(each) == 1))
    for place, term in enumerate(named):
        while label := _twice(named[place]):
            term = named[place]
            first, second = (_dim(term, each) for each in (term.index(label), term.rindex(label)))
            diagonal = _diagonal(taken[place], 0, first, second)
            assert diagonal is not None, "torch has taken it"
            taken[place], named[place] = diagonal, term.replace(label, "") + label
    if named == [result]:
        return taken[0]
    spelled: _Tensor = torch.einsum(f"{','.join(named)}->{result}", taken)
    return spelled


def _twice(term: str) -> str:
    return next((each for each in term if each != "." and term.count(each) > 1), "")


def _dim(term: str, place: int) -> int:
    """The dimension that a term names at ``place``: counted from the end behind an ellipsis."""
    return place - len(term) if "." in term[:place] else place


def _diag(x: _Tensor, diagonal: int = 0) -> _Tensor | None:
    return _embedded(x, diagonal) if x.dim() == 1 else _diagonal(x, diagonal)


def _trace(x: _Tensor) -> _Tensor | None:
    diagonal = _diagonal(x)
    return None if diagonal is None else diagonal.sum()


def _put(x: _Tensor, source: _Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> _Tensor | None:
    if x.shape[dim1] != x.shape[dim2] or not x.is_floating_point():
        return None
    embedded = _embedded(source, offset, dim1, dim2)
    rows, columns = (
        torch.arange(x.shape[dim]).view([-1 if each == dim % x.dim() else 1 for each in range(x.dim())])
        for dim in (dim1, dim2)
    )
    return torch.where(columns - rows == offset, embedded, x)


def _triangle(lower: bool) -> Callable[..., _Tensor | None]:
    def spelled(x: _Tensor, diagonal: int = 0) -> _Tensor | None:
        if not x.is_floating_point():
            return None
        above = torch.arange(x.shape[-1]) - torch.arange(x.shape[-2]).unsqueeze(-1)
        return x.masked_fill(above > diagonal if lower else above < diagonal, 0.0)

    return spelled


DIAGONALS: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        _aten.diag.default: _diag,
        _aten.diag_embed.default: _embedded,
        _aten.diagflat.default: lambda x, offset=0: _embedded(x.flatten(), offset),
        _aten.diagonal.default: _diagonal,
        _aten.diagonal_copy.default: _diagonal,
        _aten.diagonal_scatter.default: _put,
        _aten.einsum.default: _einsum,
        _aten.linalg_diagonal.default: lambda x, *, offset=0, dim1=-2, dim2=-1: _diagonal(x, offset, dim1, dim2),
        _aten.trace.default: _trace,
        _aten.tril.default: _triangle(lower=True),
        _aten.triu.default: _triangle(lower=False),
    }
)
"""By aten target, its definition; None where it stays whole."""
