"""Comparisons, masks, integers, and inputs of other dtypes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer

__all__ = ["forms"]

_X = (2, 3, 8)


def _compared() -> Iterator[Form]:
    for name in ("eq", "ne", "gt", "ge", "lt", "le"):
        op: Callable[..., Any] = getattr(torch, name)
        yield call(f"{name} where", lambda x, y, op=op: torch.where(op(x, y), x, y), _X, _X)
        yield call(f"{name} number float", lambda x, op=op: op(x, 0.25).float() + x, _X)
    yield call("gt output", lambda x, y: x > y, _X, _X)
    yield call("gt broadcast where", lambda x, y: torch.where(x > y, x, 0.0), _X, (8,))
    yield call("where numbers", lambda x: torch.where(x > 0, 1.0, -1.0) * x, _X)
    yield call("where mask input", torch.where, Tensor(_X, "mask"), _X, _X)
    yield call("where broadcast mask", torch.where, Tensor((3, 1), "mask"), _X, (8,))
    yield call("where constant mask", lambda x: torch.where(torch.arange(8) % 2 == 0, x, -x), _X)
    yield call("where 1e5", lambda x: torch.where(x > 0, x, 1e5), _X)
    yield call("masked_fill", lambda x, m: x.masked_fill(m, 0.0), _X, Tensor(_X, "mask"))
    yield call("masked_fill -1", lambda x: x.masked_fill(x > 0.5, -1.0), _X)
    yield call("logical", lambda x, y: torch.where((x > 0) & (y > 0) | ~(x < y), x, y), _X, _X)
    yield call("logical_xor", lambda x, y: torch.where(torch.logical_xor(x > 0, y > 0), x, y), _X, _X)
    yield call("isnan", lambda x: torch.where(torch.isnan(x), 0.0, x), _X)
    yield call("isinf", lambda x: torch.where(torch.isinf(x), 0.0, x), _X)


def _integers() -> Iterator[Form]:
    for dtype in (torch.int32, torch.int64):
        whole = Tensor((2, 6), "index", dtype, below=9)
        word = str(dtype).removeprefix("torch.")
        cases: dict[str, Callable[..., Any]] = {
            "add": lambda i: i + 1,
            "mul": lambda i: i * 3,
            "sub": lambda i: 7 - i,
            "floordiv": lambda i: i // 2,
            "remainder": lambda i: i % 3,
            "div trunc": lambda i: torch.div(i, 2, rounding_mode="trunc"),
            "neg": lambda i: -i,
            "abs": lambda i: (i - 4).abs(),
            "clamp": lambda i: i.clamp(2, 5),
            "maximum": lambda i: torch.maximum(i, 8 - i),
            "where": lambda i: torch.where(i > 4, i, 0),
            "eq": lambda i: i == 3,
            "sum": lambda i: i.sum(-1),
            "cumsum": lambda i: i.cumsum(-1),
            "max": lambda i: i.amax(-1),
            "to float": lambda i: i.float() * 0.5,
            "true div": lambda i: i / 4,
            "bitwise": lambda i: (i & 3) | (i >> 1),
            "stack": lambda i: torch.stack([i, i + 1], -1),
            "cat": lambda i: torch.cat([i, i * 2], -1),
            "reshape": lambda i: i.reshape(3, 4).t(),
            "one_hot": lambda i: F.one_hot(i.long(), 9).float(),
            "broadcast add": lambda i: i[:, :, None] + i[:, None, :],
        }
        for name, function in cases.items():
            yield call(f"{word} {name}", function, whole)
        yield call(f"{word} index", lambda x, i: x[:, i[0] // 2], (2, 5, 8), whole)
        yield call(f"{word} remainder index", lambda x, i: x[:, i[0] % 5], (2, 5, 8), whole)
        yield call(f"{word} embedding", lambda i, w: F.embedding(i, w), whole, constants=(Tensor((9, 4)),))
        yield call(
            f"{word} embedding floordiv", lambda i, w: F.embedding(i // 2, w), whole, constants=(Tensor((9, 4)),)
        )
    yield layer("embedding bag sum", lambda: _Summed(), Tensor((2, 6), "index", below=9))
    yield call("floor to int", lambda x: (x * 4).floor().int(), _X)
    yield call("argmax index", lambda x, y: y[x.argmax(-1)], (3, 5), (5, 4))
    yield call("uint8 image", lambda x: x.float() / 255, Tensor((1, 3, 4, 4), "index", torch.uint8, below=256))
    yield call("bool to float", lambda m, x: m.float() * x, Tensor(_X, "mask"), _X)


class _Summed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4, padding_idx=0)

    def forward(self, indices: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = self.table(indices).sum(1)
        return summed


def _dtypes() -> Iterator[Form]:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        word = str(dtype).removeprefix("torch.")
        x = Tensor(_X, dtype=dtype)
        yield layer(
            f"{word} conv2d relu",
            lambda d=dtype: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(d),
            Tensor((1, 3, 8, 8), dtype=dtype),
        )
        yield layer(f"{word} linear", lambda d=dtype: nn.Linear(8, 4).to(d), x)
        yield call(f"{word} add", torch.add, x, x)
        yield call(f"{word} softmax", lambda x: x.softmax(-1), x)
        yield call(f"{word} layer_norm", lambda x: F.layer_norm(x, (8,)), x)
        yield call(f"{word} cast inside", lambda x, d=dtype: x.to(d).exp().float() + x, _X)
        yield call(f"{word} input cast", lambda x: x.float().exp(), x)


def forms() -> Iterator[Form]:
    """Every form of comparisons, integers and other dtypes."""
    yield from _compared()
    yield from _integers()
    yield from _dtypes()
