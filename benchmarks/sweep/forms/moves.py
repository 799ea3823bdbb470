"""Moves: joins, splits, slices, indices, gathers, pads, views, copies."""

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
    rolls: tuple[tuple[Any, Any], ...] = ((1, -1), (-2, 1), ((1, 2), (1, 2)), ((0, 3), (0, -1)), (3, None))
    for shifts, along in rolls:
        yield call(f"roll {named(by=shifts, dims=along)}", lambda x, s=shifts, d=along: torch.roll(x, s, d), _X)
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
    for size in ((6, 8), (2, 24), (-1,), (2, 3, 2, 4), (1, 2, 3, 1, 8), (2, 3, 2, 2, 2, 1)):
        yield call(f"reshape {named(to=size)}", lambda x, size=size: x.reshape(size).exp(), _X)
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


def forms() -> Iterator[Form]:
    """Every form of moves."""
    yield from _joined()
    yield from _cut()
    yield from _moved()
