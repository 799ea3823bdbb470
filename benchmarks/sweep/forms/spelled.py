"""What the accelerator has no op for, and is written as ops that it has; sigmoids beside what has another encoding."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_X = (4, 8)
_SQUARE = (2, 5, 5)
_PLACES = Tensor((3,), "index", below=8)


def _diagonals() -> Iterator[Form]:
    for offset in (0, 2, -1):
        yield call(f"diagonal {offset}", lambda x, o=offset: x.diagonal(o, 1, 2) * 2, (2, 4, 6))
        yield call(f"diag_embed {offset}", lambda x, o=offset: torch.diag_embed(x * 2, o), _X)
        yield call(f"tril {offset}", lambda x, o=offset: (x * 2).tril(o), _SQUARE)
        yield call(f"triu {offset}", lambda x, o=offset: (x * 2).triu(o), _X)
    yield call("diag of a matrix", lambda x: torch.diag(x * 2), _X)
    yield call("diag of a vector", lambda x: torch.diag(x * 2, 1), (6,))
    yield call("trace", lambda x: torch.trace(x * 2), _X)
    yield call("diagonal_scatter", lambda x, y: torch.diagonal_scatter(x * 2, y, 0, 1, 2), _SQUARE, (2, 5))
    yield call("in place fill_diagonal_", lambda x: (x * 2).fill_diagonal_(0.3), _X)


def _patches() -> Iterator[Form]:
    for given in (
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (2, 3), "stride": (1, 2)},
        {"kernel_size": 2, "dilation": 2},
        {"kernel_size": 4, "stride": 2, "padding": 1},
    ):
        yield layer(f"patches {named(**given)}", lambda given=given: nn.Unfold(**given), (1, 3, 8, 8))
    yield layer("fold k3 p1", lambda: nn.Fold((8, 8), 3, padding=1), (1, 18, 64))
    yield layer("fold k4 s2 p1", lambda: nn.Fold((8, 8), 4, stride=2, padding=1), (2, 32, 16))
    yield layer("fold k2x3", lambda: nn.Fold((6, 7), (2, 3)), (1, 12, 25))
    yield call("unfold and fold", lambda x: F.fold(F.unfold(x, 3, padding=1) * 2, (8, 8), 3, padding=1), (1, 2, 8, 8))


def _products() -> Iterator[Form]:
    yield call("tensordot 2", lambda x, y: torch.tensordot(x, y, dims=([1, 2], [0, 1])), (3, 4, 5), (4, 5, 2))
    yield call("tensordot 0", lambda x, y: torch.tensordot(x, y, dims=0), (3, 4), (5, 2))
    yield call("cross", lambda x, y: torch.cross(x, y, dim=1), (4, 3), (4, 3))
    yield call("vdot", torch.vdot, (8,), (8,))
    yield call("addr", lambda x, y, z: torch.addr(x, y, z, beta=0.5, alpha=2.0), (3, 4), (3,), (4,))
    yield call("cartesian_prod", lambda x, y: torch.cartesian_prod(x, y), (3,), (4,))
    yield call("prod", lambda x: x.prod(1), (4, 7))
    yield call("cumprod 0", lambda x: x.cumprod(0), (5, 4))


def _distances() -> Iterator[Form]:
    for p in (1.0, 3.0, float("inf")):
        yield call(f"cdist {p}", lambda x, y, p=p: torch.cdist(x, y, p), _X, _X)
    yield call("pairwise_distance", F.pairwise_distance, _X, _X)
    yield call("dist", torch.dist, _X, _X)
    yield call("matrix_norm", lambda x: torch.linalg.matrix_norm(x * 2), _SQUARE)


def _places() -> Iterator[Form]:
    yield call("index_add alpha", lambda x, i, y: (x * 2).index_add(1, i, y, alpha=0.5), _X, _PLACES, (4, 3))
    yield call("index_add constant", lambda x, y: x.index_add(0, torch.tensor([2, 0, 2]), y * 2), _X, (3, 8))
    yield call("index_fill computed", lambda x, i: (x * 2).index_fill(1, i, 0.5), _X, _PLACES)
    yield call("index_fill constant", lambda x: (x * 2).index_fill(0, torch.tensor([3, 1]), 0.5), _X)


def _elements() -> Iterator[Form]:
    for function in (F.hardshrink, F.softshrink, F.celu, torch.frac, torch.exp2, torch.sgn, torch.deg2rad):
        yield call(f"spelled {function.__name__}", lambda x, f=function: f(x * 2), _X)
    for of_two in (torch.hypot, torch.copysign, torch.logaddexp2, torch.fmin, torch.fmax):
        yield call(f"spelled {of_two.__name__}", lambda x, y, f=of_two: f(x * 2, y), _X, _X)
    for asked in (torch.isnan, torch.signbit, torch.logical_not):
        yield call(f"spelled {asked.__name__}", lambda x, f=asked: f(x.relu()), _X)
    yield call("softplus beta2", lambda x: F.softplus(x * 2, 2.0), _X)
    yield call("softplus threshold1", lambda x: F.softplus(x * 2, 1.0, 1.0), _X)
    yield call("heaviside", lambda x: torch.heaviside(x.relu(), torch.tensor(0.5)), _X)
    yield call("logit eps", lambda x: torch.logit(x.sigmoid(), 0.05), _X)
    yield call("nansum", lambda x: torch.nansum(x * 2, 1), _X)
    yield call("nanmean", lambda x: torch.nanmean(x * 2, 1), _X)
    yield call("aminmax", lambda x: torch.aminmax(x * 2, dim=1), _X)
    yield call("isclose", lambda x, y: torch.isclose(x, y, atol=0.5), _X, _X)
    yield call("median of rows", lambda x: (x * 2).median(1)[0], _X)
    yield call("quantile", lambda x: (x * 2).quantile(0.3, 1), _X)
    yield call("log_softmax of a vector", lambda x: x.log_softmax(0), (8,))


def _beside() -> Iterator[Form]:
    fixed = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "hardsigmoid": F.hardsigmoid}
    fixed |= {"softmax": lambda x: x.softmax(-1), "log_softmax": lambda x: x.log_softmax(-1)}
    for name, f in fixed.items():
        yield call(f"{name} in a stack", lambda x, y, f=f: torch.stack([f(x), y * 3, x + y]), _X, _X)
        yield call(f"{name} in a where", lambda x, y, f=f: torch.where(x > 0, f(y), y * 3), _X, _X)
        yield call(f"{name} in a slice", lambda x, y, f=f: torch.slice_scatter(x * 3, f(y), 1, 2, 6), _X, (4, 4))
        yield call(f"{name} in every other", lambda x, y, f=f: x.slice_scatter(f(y), 1, 0, 8, 2), _X, (4, 4))
        yield call(f"{name} scattered", lambda x, i, y, f=f: x.scatter(1, i, f(y)), _X, Tensor((4, 1), "index"), (4, 1))
        yield call(f"{name} by index", lambda x, y, f=f: x.index_put((torch.tensor([0, 2]),), f(y)), _X, (2, 8))


def forms() -> Iterator[Form]:
    """Every form of these."""
    for family in (_diagonals, _patches, _products, _distances, _places, _elements, _beside):
        yield from family()
