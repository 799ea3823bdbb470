"""Reductions: dimensions, keepdims, extremes with their places, sorting, running sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.sweep.form import Form, Tensor, call, named

__all__ = ["forms"]

_X = (2, 3, 8)
_IMAGE = (1, 4, 3, 5)


def forms() -> Iterator[Form]:
    """Every form of reductions."""
    several: dict[str, Callable[..., Any]] = {
        "sum": torch.sum,
        "mean": torch.mean,
        "amax": torch.amax,
        "amin": torch.amin,
    }
    for name, op in several.items():
        for shape, dims in (
            ((8,), (0,)),
            (_X, (-1,)),
            (_X, (0,)),
            (_X, (1, 2)),
            (_X, (0, 2)),
            (_IMAGE, (2, 3)),
            (_IMAGE, (1,)),
            ((1, 2, 2, 3, 4), (3, 4)),
        ):
            for keep in (False, True):
                yield call(
                    f"{name} {named(of=shape, dims=dims)} keep{keep}",
                    lambda x, op=op, dims=dims, keep=keep: op(x, dims, keep),
                    shape,
                )
    for name in ("sum", "mean", "max", "min", "prod"):
        yield call(f"{name} all", getattr(torch, name), _X)
    for name in ("max", "min"):
        op = getattr(torch, name)
        for keep in (False, True):
            yield call(f"{name} dim keep{keep}", lambda x, op=op, keep=keep: op(x, -1, keep), _X)
        yield call(f"{name} dim values", lambda x, op=op: op(x, 1).values, _X)
        yield call(f"{name} dim indices", lambda x, op=op: op(x, 1).indices, _X)
    for name in ("argmax", "argmin"):
        op = getattr(torch, name)
        for dim in (-1, 0, None):
            yield call(f"{name} dim{dim}", lambda x, op=op, dim=dim: op(x, dim), _X)
        yield call(f"{name} keep", lambda x, op=op: op(x, 1, True), _X)
    for name in ("std", "var"):
        op = getattr(torch, name)
        for unbiased in (False, True):
            yield call(f"{name} dim unbiased{unbiased}", lambda x, op=op, u=unbiased: op(x, -1, u), _X)
        yield call(f"{name} dims keep", lambda x, op=op: op(x, (1, 2), keepdim=True), _X)
        yield call(f"{name} all", op, _X)
    yield call("prod dim", lambda x: x.prod(-1), Tensor((2, 3), "positive"))
    for order in (1, 2, float("inf")):
        yield call(f"vector_norm {order}", lambda x, p=order: torch.linalg.vector_norm(x, p, -1), _X)
    yield call("norm all", torch.norm, _X)
    yield call("logsumexp", lambda x: x.logsumexp(-1), _X)
    yield call("logsumexp keep", lambda x: x.logsumexp((1, 2), True), _X)
    for dim in (-1, 0):
        yield call(f"cumsum dim{dim}", lambda x, dim=dim: x.cumsum(dim), _X)
    yield call("cumprod", lambda x: x.cumprod(-1), Tensor(_X, "unit"))
    yield call("any", lambda x: (x > 1).any(-1), _X)
    yield call("all", lambda x: (x > -1).all(-1, keepdim=True), _X)
    for dim, largest in ((-1, True), (-1, False), (1, True)):
        yield call(f"topk dim{dim} largest{largest}", lambda x, d=dim, g=largest: x.topk(2, d, g), _X)
    yield call("topk values", lambda x: x.topk(3).values, _X)
    for descending in (False, True):
        yield call(f"sort descending{descending}", lambda x, d=descending: x.sort(-1, d), _X)
    yield call("argsort", lambda x: x.argsort(-1), _X)
    yield call("median", lambda x: x.median(-1).values, _X)
    yield call("diff", lambda x: x.diff(dim=-1), _X)
