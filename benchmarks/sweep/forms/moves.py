"""Reductions and moves: dimensions, keepdims, slices, joins, pads, gathers, views, and what is written in place."""

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


def _reduced() -> Iterator[Form]:
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
    for name in "sum mean max min prod".split():
        yield call(f"{name} all", getattr(torch, name), _X)
    for name in "max min".split():
        for keep in (False, True):
            yield call(f"{name} dim keep{keep}", lambda x, op=getattr(torch, name), keep=keep: op(x, -1, keep), _X)
        yield call(f"{name} dim values", lambda x, op=getattr(torch, name): op(x, 1).values, _X)
        yield call(f"{name} dim indices", lambda x, op=getattr(torch, name): op(x, 1).indices, _X)
    for name in "argmax argmin".split():
        for dim in (-1, 0, None):
            yield call(f"{name} dim{dim}", lambda x, op=getattr(torch, name), dim=dim: op(x, dim), _X)
        yield call(f"{name} keep", lambda x, op=getattr(torch, name): op(x, 1, True), _X)
    for name in "std var".split():
        for unbiased in (False, True):
            yield call(
                f"{name} dim unbiased{unbiased}", lambda x, op=getattr(torch, name), u=unbiased: op(x, -1, u), _X
            )
        yield call(f"{name} dims keep", lambda x, op=getattr(torch, name): op(x, (1, 2), keepdim=True), _X)
        yield call(f"{name} all", getattr(torch, name), _X)
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


def _joined() -> Iterator[Form]:
    for dim in (0, 1, -1):
        yield call(f"cat dim{dim}", lambda x, y, dim=dim: torch.cat([x, y], dim), _X, _X)
        yield call(f"stack dim{dim}", lambda x, y, dim=dim: torch.stack([x, y], dim), _X, _X)
    yield call("cat uneven", lambda x, y: torch.cat([x, y], 1), _X, (2, 5, 8))
    yield call("cat five", lambda x: torch.cat([x, x * 2, x.exp(), -x, x + 1], -1), _X)
    yield call("cat one", lambda x: torch.cat([x], 1), _X)
    yield call("cat images", lambda x, y: torch.cat([x, y], 1), _IMAGE, _IMAGE)
    yield call("cat with constant", lambda x, w: torch.cat([x, w], 1), _X, constants=(Tensor((2, 1, 8)),))
    yield call("cat ranges", lambda x, y: torch.cat([x * 30, y.sigmoid()], 1), _X, _X)
    yield call("cat rank5", lambda x, y: torch.cat([x, y], 2), (1, 2, 2, 3, 4), (1, 2, 2, 3, 4))
    yield call("stack four", lambda x: torch.stack([x, -x, x * 2, x.abs()], 1), _IMAGE)
    yield call("stack vectors", lambda x, y: torch.stack([x, y]), (8,), (8,))
    yield call("hstack", lambda x, y: torch.hstack([x, y]), (3, 4), (3, 2))
    yield call("vstack", lambda x, y: torch.vstack([x, y]), (8,), (8,))
    yield call("meshgrid", lambda x, y: torch.meshgrid(x, y, indexing="ij"), (3,), (4,))
    for parts in (1, 2, 3, 5):
        yield call(f"split of {parts}", lambda x, n=parts: x.split(n, 1), (2, 6, 4))
    yield call("split sizes", lambda x: torch.split(x, [1, 2, 3], 1), (2, 6, 4))
    yield call("split into 70", lambda x: torch.stack([p * 2 for p in x.split(1, 1)], 0), (1, 70))
    yield call("chunk", lambda x: [p.exp() for p in x.chunk(2, -1)], _X)
    yield call("chunk uneven", lambda x: x.chunk(3, -1), _X)
    yield call("tensor_split", lambda x: x.tensor_split(3, -1), _X)
    for dim in (0, 1, -1):
        yield call(f"unbind dim{dim}", lambda x, dim=dim: [p * 2 for p in x.unbind(dim)][:3], (2, 3, 4))


def _cut() -> Iterator[Form]:
    cuts: dict[str, Callable[..., Any]] = {
        "[1:]": lambda x: x[1:],
        "[:, 1]": lambda x: x[:, 1],
        "[..., -1]": lambda x: x[..., -1],
        "[..., 2:6]": lambda x: x[..., 2:6],
        "[..., ::2]": lambda x: x[..., ::2],
        "[..., 1::3]": lambda x: x[..., 1::3],
        "[:, -2:]": lambda x: x[:, -2:],
        "[0]": lambda x: x[0],
        "[None]": lambda x: x[None],
        "[:, None, :, 1:3]": lambda x: x[:, None, :, 1:3],
        "[0, 1, 2]": lambda x: x[0, 1, 2],
        "[:, [2, 0]]": lambda x: x[:, [2, 0]],
        "[[1, 0]]": lambda x: x[[1, 0]],
        "[..., [3, 1, 3]]": lambda x: x[..., [3, 1, 3]],
        "[[0, 1], [2, 0]]": lambda x: x[[0, 1], [2, 0]],
        "[:, [0, 1], [2, 0]]": lambda x: x[:, [0, 1], [2, 0]],
        "[arange, constant]": lambda x: x[torch.arange(2), torch.tensor([2, 0])],
    }
    for name, function in cuts.items():
        yield call(f"index {name}", function, _X)
    position = Tensor((2,), "index", below=3)
    yield call("index [:, i]", lambda x, i: x[:, i], _X, position)
    yield call("index [arange, i]", lambda x, i: x[torch.arange(2), i], _X, position)
    yield call("index [i, i]", lambda x, i: x[i % 2, i], _X, position)
    yield call("index_select", lambda x, i: x.index_select(1, i), _X, position)
    yield call("index_select constant", lambda x: x.index_select(-1, torch.tensor([5, 0])), _X)
    for dim in (0, 1, -1):
        where = Tensor((2, 3, 8), "index", below=2)
        yield call(f"gather dim{dim}", lambda x, i, dim=dim: x.gather(dim, i), _X, where)
    yield call("take_along_dim", lambda x, i: torch.take_along_dim(x, i, 1), _X, Tensor((2, 1, 8), "index", below=3))
    yield call("gather constant", lambda x: x.gather(1, torch.tensor([[[0] * 8, [2] * 8]] * 2)), _X)
    yield call("narrow", lambda x: x.narrow(-1, 2, 3), _X)
    yield call("select", lambda x: x.select(1, -1), _X)
    yield call("masked by multiply", lambda x: x * (torch.arange(8) < 5), _X)
    for name, mask in (("tril", torch.tril), ("triu", torch.triu)):
        yield call(name, mask, (4, 4))
        yield call(f"{name} diagonal", lambda x, mask=mask: mask(x, 1), (2, 4, 5))
    yield call("diagonal", lambda x: x.diagonal(dim1=-2, dim2=-1), (2, 4, 4))
    yield call("diag_embed", torch.diag_embed, (2, 4))
    yield call("unfold tensor", lambda x: x.unfold(-1, 4, 2), _X)


def _moved() -> Iterator[Form]:
    for mode, amounts, shape in (
        ("constant", (1, 2), _X),
        ("constant", (1, 1, 2, 0), _IMAGE),
        ("constant", (0, 0, 0, 0, 1, 1), _IMAGE),
        ("constant", (-1, 2), _X),
        ("reflect", (2, 1), _X),
        ("reflect", (1, 1, 2, 1), _IMAGE),
        ("replicate", (2, 1), _X),
        ("replicate", (1, 1, 2, 1), _IMAGE),
        ("circular", (2, 1), _X),
        ("circular", (1, 1, 2, 1), _IMAGE),
    ):
        yield call(f"pad {mode} {named(by=amounts)}", lambda x, m=mode, a=amounts: F.pad(x, a, m), shape)
    yield call("pad value", lambda x: F.pad(x, (1, 1), value=-2.0), _X)
    for dims in ((-1,), (0,), (1, 2)):
        yield call(f"flip {named(dims=dims)}", lambda x, dims=dims: x.flip(dims), _X)
    for shifts, dims in ((1, -1), (-2, 1), ((1, 2), (1, 2)), (3, None)):
        yield call(f"roll {named(by=shifts, dims=dims)}", lambda x, s=shifts, d=dims: torch.roll(x, s, d), _X)
    yield call("rot90", lambda x: torch.rot90(x, 1, (1, 2)), _X)
    for order in ((0, 2, 1), (2, 0, 1), (1, 0, 2)):
        yield call(f"permute {named(to=order)}", lambda x, order=order: x.permute(order), _X)
    yield call("permute rank4", lambda x: x.permute(0, 2, 3, 1), _IMAGE)
    yield call("permute rank5", lambda x: x.permute(0, 3, 1, 4, 2), (1, 2, 2, 3, 4))
    yield call("permute rank6", lambda x: x.permute(0, 1, 3, 5, 2, 4), (1, 2, 2, 2, 3, 4))
    yield call(
        "window partition", lambda x: x.view(1, 2, 2, 2, 2, 3).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, 3), (1, 4, 4, 3)
    )
    yield call("transpose", lambda x: x.transpose(1, 2), _X)
    yield call("movedim", lambda x: x.movedim(-1, 0), _X)
    yield call("t", lambda x: x.t(), (3, 4))
    for shape in ((6, 8), (2, 24), (-1,), (2, 3, 2, 4), (1, 2, 3, 1, 8), (2, 3, 2, 2, 2, 1)):
        yield call(f"reshape {named(to=shape)}", lambda x, shape=shape: x.reshape(shape).exp(), _X)
    yield call("flatten", lambda x: x.flatten(1), _IMAGE)
    yield call("unflatten", lambda x: x.unflatten(-1, (2, 4)), _X)
    yield call("squeeze", lambda x: x.squeeze(), (1, 3, 1, 8))
    yield call("squeeze dim", lambda x: x.squeeze(2), (1, 3, 1, 8))
    yield call("squeeze dims", lambda x: x.squeeze((0, 2)), (1, 3, 1, 8))
    for dim in (0, 1, -1):
        yield call(f"unsqueeze dim{dim}", lambda x, dim=dim: x.unsqueeze(dim), _X)
    yield call("expand", lambda x: x.expand(2, 3, 8), (1, 3, 1))
    yield call("expand new", lambda x: x.expand(4, 2, 3, 8), _X)
    yield call("expand_as", lambda x, y: x.expand_as(y) * y, (8,), _X)
    for times in ((1, 2, 1), (2, 1, 1), (2, 1, 1, 1)):
        yield call(f"repeat {named(by=times)}", lambda x, times=times: x.repeat(times), _X)
    yield call("tile", lambda x: x.tile(2), _X)
    for dim in (-1, 1):
        yield call(f"repeat_interleave dim{dim}", lambda x, dim=dim: x.repeat_interleave(2, dim), _X)
    yield call("identity", lambda x: x, _X)
    yield call("clone", lambda x: x.clone(), _X)
    yield call("output twice", lambda x: (x.exp(), x.exp()), _X)
    yield call("output and none", lambda x: (x * 2, None), _X)
    yield call("output a constant", lambda x: (x * 2, torch.ones(3)), _X)
    yield call("output a dict", lambda x: {"a": x * 2, "b": [x + 1]}, _X)
    yield call("output an input", lambda x: (x, x * 2), _X)
    yield layer("dropout", lambda: nn.Dropout(0.5), _X)
    yield layer("flatten linear", lambda: nn.Sequential(nn.Flatten(), nn.Linear(60, 4)), _IMAGE)


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
    for name in "add_ sub_ mul_ div_ copy_".split():
        yield call(f"in place {name}", _method(name), _X, Tensor(_X, "positive"))
        yield call(f"in place {name} broadcast", _method(name), _X, Tensor((8,), "positive"))
    for name, *arguments in (
        ("add_", 2.0), ("mul_", 0.5), ("sub_", 1.0), ("div_", 3.0), ("clamp_", 0.5, 1.5), ("clamp_min_", 0.7), ("fill_", 1.5), ("zero_",),
        ("relu_",), ("sigmoid_",), ("tanh_",), ("exp_",), ("sqrt_",), ("neg_",), ("abs_",), ("pow_", 2), ("log_",), ("reciprocal_",),
        ("unsqueeze_", 1), ("squeeze_",), ("transpose_", 1, 2), ("swapaxes_", 0, 1), ("floor_",), ("round_",), ("square_",),
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
    """Every form of reductions, moves and writes."""
    yield from _reduced()
    yield from _joined()
    yield from _cut()
    yield from _moved()
    yield from _scattered()
    yield from _in_place()
