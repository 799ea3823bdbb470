"""Ops by second names (``torch.greater``, ``torch.special``, ``torch.linalg``), and what torch defines by others."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.sweep.form import Form, Tensor, call

__all__ = ["forms"]

_A = (2, 3, 8)
_UNIT = Tensor(_A, "unit")
_POSITIVE = Tensor(_A, "positive")
_INTEGERS = Tensor(_A, "index")


def _of_one() -> Iterator[Form]:
    for name in ("absolute", "negative", "fix", "arctan", "arcsin", "arccos", "arctanh", "arcsinh", "msort"):
        yield call(f"name {name}", lambda x, name=name: getattr(torch, name)(x), _UNIT)
    for name in ("expit", "exp2", "expm1", "round", "erf", "sinc"):
        yield call(f"name special {name}", lambda x, name=name: getattr(torch.special, name)(x), _UNIT)
    yield call("name arccosh", lambda x: torch.arccosh(x + 1), _POSITIVE)
    yield call("name special log1p", torch.special.log1p, _POSITIVE)
    yield call("name special logit", lambda x: torch.special.logit(x, 0.1), _UNIT)
    yield call("name special round decimals", lambda x: torch.special.round(x, decimals=1), _A)
    for name in ("softmax", "log_softmax", "logsumexp"):
        yield call(f"name special {name}", lambda x, name=name: getattr(torch.special, name)(x, -1), _A)
    for name in ("absolute_", "negative_", "arctan_", "fix_"):
        yield call(f"name {name} in place", lambda x, name=name: getattr(x * 1, name)() + x, _UNIT)


def _of_two() -> Iterator[Form]:
    compared = ("greater", "greater_equal", "less", "less_equal", "not_equal")
    for name in (*compared, "true_divide", "multiply", "subtract", "divide"):
        yield call(f"name {name}", lambda x, y, name=name: getattr(torch, name)(x, y), _A, _POSITIVE)
        yield call(f"name {name} number", lambda x, name=name: getattr(torch, name)(x, 0.5), _A)
    for name in ("greater_", "true_divide_", "multiply_"):
        yield call(f"name {name} in place", lambda x, y, name=name: getattr(x * 1, name)(y) + x, _A, _POSITIVE)
    yield call("name greater integers", torch.greater, _INTEGERS, _INTEGERS)
    yield call("name arctan2", torch.arctan2, _A, _A)
    yield call("name special xlogy", torch.special.xlogy, _POSITIVE, _POSITIVE)
    yield call("name ldexp", lambda x: torch.ldexp(x, torch.tensor([1, 2, 3, 0, 1, 2, 3, 0])), _A)
    yield call("name type_as", lambda x, y: x.type_as(y) * y, _A, _A)
    yield call("name broadcast_tensors", lambda x, y: torch.stack(torch.broadcast_tensors(x, y)), _A, (3, 1))  # type: ignore[no-untyped-call]


def _of_matrices() -> Iterator[Form]:
    yield call("name linalg matmul", torch.linalg.matmul, (2, 3, 4), (2, 4, 5))
    yield call("name chain_matmul", lambda *given: torch.ops.aten.chain_matmul(given), (2, 3), (3, 4), (4, 5))
    yield call("name ger", torch.ger, (3,), (4,))
    for times in (1, 2, 5):
        yield call(f"name matrix_power {times}", lambda x, n=times: torch.matrix_power(x, n), Tensor((2, 3, 3), "unit"))
    yield call("name vecdot", torch.linalg.vecdot, _A, _A)
    yield call("name vecdot dim1", lambda x, y: torch.linalg.vecdot(x, y, dim=1), _A, _A)
    yield call("name linalg norm", torch.linalg.norm, (3, 8))
    yield call("name linalg norm dim", lambda x: torch.linalg.norm(x, dim=-1, keepdim=True), _A)
    yield call("name linalg norm fro", lambda x: torch.linalg.norm(x, "fro", (1, 2)), _A)
    yield call("name adjoint", lambda x: x.adjoint() * 2, _A)
    yield call("name mH", lambda x: x.mH * 2, _A)
    for offset in (0, -1):
        yield call(f"name diagflat {offset}", lambda x, offset=offset: torch.diagflat(x, offset), (2, 3))
    yield call("name row_stack", lambda x, y: torch.row_stack((x, y)), (5,), (5,))
    yield call("name native_channel_shuffle", lambda x: torch.native_channel_shuffle(x, 2), (1, 4, 6, 6))


def _along() -> Iterator[Form]:
    for name in ("trapezoid", "cumulative_trapezoid"):
        yield call(f"name {name}", lambda x, name=name: getattr(torch, name)(x, dim=-1), _A)
        yield call(f"name {name} dx", lambda x, name=name: getattr(torch, name)(x, dx=0.5, dim=1), _A)
        yield call(f"name {name} x", lambda y, x, name=name: getattr(torch, name)(y, x, dim=-1), _A, (8,))
    yield call("name gradient", lambda x: torch.gradient(x, dim=-1)[0], _A)
    yield call("name gradient of all", lambda x: torch.gradient(x, spacing=0.5), (3, 8))
    yield call("name sum_to_size", lambda x: x.sum_to_size(1, 3, 1), _A)
    yield call("name unsafe_chunk", lambda x: torch.unsafe_chunk(x * 2, 2, -1), _A)


def forms() -> Iterator[Form]:
    """Every one of the two kinds."""
    yield from _of_one()
    yield from _of_two()
    yield from _of_matrices()
    yield from _along()
