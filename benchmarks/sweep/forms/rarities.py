"""Other spellings of ops, producers of constants and of random numbers, and what is seldom used."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer

__all__ = ["forms"]

_X = (2, 3, 8)
_WHOLE = Tensor((2, 6), "index", below=9)


def _spellings() -> Iterator[Form]:
    yield call("swapdims", lambda x: x.swapdims(0, 1), _X)
    yield call("moveaxis", lambda x: x.moveaxis(0, 2), _X)
    yield call("moveaxis several", lambda x: x.moveaxis((0, 1), (2, 0)), _X)
    yield call("movedim several", lambda x: x.movedim((0, 1), (1, 2)), _X)
    yield call("numpy_T", lambda x: x.T, (3, 4))
    yield call("ravel", lambda x: x.ravel() * 2, _X)
    yield call("reshape_as", lambda x, y: x.reshape_as(y) + y, _X, (6, 8))
    yield call("view_as", lambda x, y: x.view_as(y) + y, _X, (6, 8))
    yield call("broadcast_to", lambda x: x.broadcast_to(2, 3, 8) * 2, (3, 1))
    yield call("concat", lambda x, y: torch.concat([x, y], -1), _X, _X)
    yield call("subtract", torch.subtract, _X, _X)
    yield call("multiply", torch.multiply, _X, _X)
    yield call("divide", torch.divide, _X, Tensor(_X, "positive"))
    yield call("max of two", torch.max, _X, _X)
    yield call("min of two", torch.min, _X, _X)
    yield call("to device", lambda x: x.to("cpu") * 2, _X)
    yield call("to same dtype", lambda x: x.to(torch.float32) * 2, _X)
    yield call("detach", lambda x: x.detach() * 2, _X)
    yield call("split copies", lambda x: torch.split_with_sizes_copy(x, [1, 2], 1), _X)
    yield call("where number first", lambda x: torch.where(x > 0, 1.0, x), _X)
    yield call("relu6", F.relu6, _X)
    yield call("leaky_relu in place", lambda x: F.leaky_relu_(x * 2, 0.2), _X)


def _seldom() -> Iterator[Form]:
    yield call("erfc", torch.erfc, _X)
    yield call("kthvalue", lambda x: x.kthvalue(2, -1).values, _X)
    yield call("std all unbiased", lambda x: torch.std(x, unbiased=False), _X)
    for reduce in ("sum", "prod", "amax"):
        yield call(
            f"scatter_reduce {reduce}",
            lambda x, i, y, reduce=reduce: x.scatter_reduce(-1, i, y, reduce),
            Tensor(_X, "positive"),
            Tensor((2, 3, 4), "index", below=8),
            Tensor((2, 3, 4), "positive"),
        )
    yield call("bitwise_not of masks", lambda x: torch.where(~(x > 0), x, 0.0), _X)
    yield call("xor of integers", lambda i: i ^ 3, _WHOLE)
    yield call("shifts", lambda i: (i << 2) >> 1, _WHOLE)
    yield call("and of integers", lambda i, j: i & j, _WHOLE, _WHOLE)
    yield call("any of several", lambda x: torch.any(x > 1, (1, 2)), _X)
    yield call("any of all", lambda x: (x > 1).any(), _X)
    yield call("all of several", lambda x: torch.all(x > -2, (1, 2)), _X)
    yield layer("adaptive_max_pool1d", lambda: nn.AdaptiveMaxPool1d(3), (1, 4, 12))
    for rank in (1, 3):
        yield call(
            f"interpolate {rank}d nearest-exact",
            lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"),
            (1, 3, *([4] * rank)),
        )
    yield call(
        "interpolate bicubic antialias",
        lambda x: F.interpolate(x, (3, 3), mode="bicubic", antialias=True),
        (1, 3, 6, 6),
    )
    for name in ("asin_", "atan_", "ceil_", "cos_", "sin_", "sign_", "rsqrt_"):
        yield call(
            f"in place {name}",
            lambda x, name=name: getattr(x * 0.5, name)() + 1,
            Tensor(_X, "positive" if name == "rsqrt_" else "unit"),
        )
    yield layer("dropout in place", lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5, inplace=True)), _X)
    yield call("reflection_pad1d", lambda x: nn.ReflectionPad1d(2)(x), _X)
    yield call("replication_pad2d", lambda x: nn.ReplicationPad2d(1)(x), (1, 4, 3, 5))
    yield call("replication_pad3d", lambda x: nn.ReplicationPad3d(1)(x), (1, 2, 3, 3, 4))
    yield call("circular_pad1d", lambda x: nn.CircularPad1d(1)(x), _X)


def _made() -> Iterator[Form]:
    yield call("plus zeros_like", lambda x: x + torch.zeros_like(x), _X)
    yield call("plus ones_like", lambda x: x + torch.ones_like(x), _X)
    yield call("plus full_like", lambda x: x + torch.full_like(x, 2.0), _X)
    yield call("cat new_zeros", lambda x: torch.cat([x, x.new_zeros(2, 1, 8)], 1), _X)
    yield call("cat new_ones", lambda x: torch.cat([x, x.new_ones(2, 1, 8)], 1), _X)
    yield call("times new_full", lambda x: x * x.new_full((8,), 0.5), _X)
    yield call("plus arange", lambda x: x + torch.arange(8), _X)
    yield call("plus arange from to", lambda x: x + torch.arange(1, 9) * 0.5, _X)
    yield call("times linspace", lambda x: x * torch.linspace(0.5, 2.0, 8), _X)
    yield call("times eye", lambda x: x @ torch.eye(8), _X)
    yield call("plus rand_like", lambda x: (x * 2, torch.rand_like(x)), _X)
    yield call("plus randn", lambda x: (x * 2, torch.randn(3, 4)), _X)


def forms() -> Iterator[Form]:
    """Every form of these."""
    yield from _spellings()
    yield from _seldom()
    yield from _made()
