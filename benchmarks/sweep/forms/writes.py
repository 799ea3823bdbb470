"""Writes: scatters, and what a model changes in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_X = (2, 3, 8)
_IMAGE = (1, 4, 3, 5)


def _scattered() -> Iterator[Form]:
    where = Tensor((2, 3, 4), "index", below=8)
    yield call("scatter", lambda x, i, y: x.scatter(-1, torch.arange(4).expand(2, 3, 4), y), _X, where, (2, 3, 4))
    yield call("scatter number", lambda x: x.scatter(-1, torch.tensor([[[1], [2], [3]]] * 2), 2.0), _X)
    yield call("scatter_add", lambda x, i, y: x.scatter_add(-1, i, y), _X, where, (2, 3, 4))
    yield call("index_add", lambda x, y: x.index_add(1, torch.tensor([0, 2]), y), _X, (2, 2, 8))
    yield call("index_fill", lambda x: x.index_fill(1, torch.tensor([0, 2]), 1.0), _X)
    yield call("index_copy", lambda x, y: x.index_copy(1, torch.tensor([0, 2]), y), _X, (2, 2, 8))
    yield call("index_put", lambda x, y: x.index_put((torch.tensor([0, 1]), torch.tensor([2, 0])), y), _X, (2, 8))
    yield call("slice_scatter", lambda x, y: x.slice_scatter(y, 1, 0, 2), _X, (2, 2, 8))
    yield call("select_scatter", lambda x, y: x.select_scatter(y, 1, 1), _X, (2, 8))


def _set(at: Any, value: Any) -> Callable[..., torch.Tensor]:
    def function(x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        y[at] = value if not others else others[0]
        return y * 2

    return function


def _method(name: str, *arguments: Any) -> Callable[..., torch.Tensor]:
    def function(x: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        getattr(y, name)(*others, *arguments)
        return y + 0.5

    return function


def _in_place() -> Iterator[Form]:
    for name in ("add_", "sub_", "mul_", "div_", "copy_"):
        yield call(f"in place {name}", _method(name), _X, Tensor(_X, "positive"))
        yield call(f"in place {name} broadcast", _method(name), _X, Tensor((8,), "positive"))
    for name, *arguments in (
        ("add_", 2.0), ("mul_", 0.5), ("sub_", 1.0), ("div_", 3.0), ("clamp_", 0.5, 1.5), ("clamp_min_", 0.7),
        ("fill_", 1.5), ("zero_",), ("relu_",), ("sigmoid_",), ("tanh_",), ("exp_",), ("sqrt_",), ("neg_",), ("abs_",),
        ("pow_", 2), ("log_",), ("reciprocal_",), ("unsqueeze_", 1), ("squeeze_",), ("transpose_", 1, 2),
        ("swapaxes_", 0, 1), ("floor_",), ("round_",), ("square_",),
    ):  # fmt: skip
        yield call(f"in place {name} {named(by=tuple(arguments))}".removesuffix(" by"), _method(name, *arguments), _X)
    yield call("in place squeeze_ dim", lambda x: x.exp().unsqueeze(1).squeeze_(1) + 1, _X)
    yield call("in place t_", lambda x: x.exp().t_() + 1, (3, 4))
    yield call("in place resized view", lambda x: _through(x.exp(), lambda y: y.view(-1).add_(1.0)), _X)
    yield call("in place slice mul_", lambda x: _through(x.exp(), lambda y: y[:, 1:].mul_(3.0)), _X)
    yield call("in place transposed", lambda x: _through(x.exp(), lambda y: y.transpose(1, 2)[:, :2].add_(1.0)), _X)
    yield call("in place chunk", lambda x: _through(x.exp(), lambda y: y.chunk(2, -1)[1].zero_()), _X)
    for name, at in (
        ("[:, 1]", (slice(None), 1)),
        ("[0]", 0),
        ("[..., 2:4]", (..., slice(2, 4))),
        ("[..., ::2]", (..., slice(None, None, 2))),
        ("[:, -1, 3:]", (slice(None), -1, slice(3, None))),
    ):
        yield call(f"in place {name} = number", _set(at, 1.5), _X)
    yield call("in place [:, 1] = row", _set((slice(None), 1), None), _X, (2, 8))
    yield call("in place [:, :2] = input", _set((slice(None), slice(0, 2)), None), _X, (2, 2, 8))
    yield call("in place [mask] = number", lambda x: _through(x.exp(), lambda y: y.masked_fill_(x > 0, 1.0)), _X)
    yield call("in place [x > 0] = number", _masked, _X)
    yield call(
        "in place index_put_", lambda x: _through(x.exp(), lambda y: y.__setitem__((slice(None), [0, 2]), 1.0)), _X
    )
    yield call("in place on input", lambda x: x.mul_(2.0) + 1, _X)
    yield layer("in place relu of a sum", lambda: _Residual(), (2, 8))
    yield call("in place zeros filled", _filled, _X)
    yield layer("state shifted", lambda: _State(), (1, 1, 8))


def _through(y: torch.Tensor, write: Callable[[torch.Tensor], Any]) -> torch.Tensor:
    write(y)
    return y * 2


def _masked(x: torch.Tensor) -> torch.Tensor:
    y = x.exp()
    y[x > 0] = 1.0
    return y * 2


def _filled(x: torch.Tensor) -> torch.Tensor:
    made = torch.zeros(2, 6, 8)
    made[:, :3] = x
    made[:, 3:] = x * 2
    return made


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        y += x
        return F.relu_(y)


class _State(nn.Module):
    """Keeps its last four inputs in a buffer."""

    past: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("past", torch.zeros(1, 4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 1.5
        self.past[:, :3] = self.past[:, 1:].clone()
        self.past[:, 3:] = y
        return self.past.sum(1) + y[:, 0]


def forms() -> Iterator[Form]:
    """Every form of writes."""
    yield from _scattered()
    yield from _in_place()
