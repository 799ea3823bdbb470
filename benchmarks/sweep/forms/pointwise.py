"""Activations, arithmetic with broadcasts, comparisons, integers, and inputs of other dtypes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_X = (2, 3, 8)
_OPS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
_BROADCASTS = (
    ((2, 3, 8), (2, 3, 8)),
    ((2, 3, 8), (8,)),
    ((2, 3, 8), (3, 1)),
    ((2, 3, 8), (1, 1, 8)),
    ((2, 1, 8), (1, 3, 1)),
    ((3, 8), (2, 3, 8)),
    ((2, 3, 8), (1,)),
    ((2, 3, 8), ()),
    ((1, 2, 3, 8), (3, 8)),
    ((1, 4, 3, 8), (4, 1, 1)),
    ((1, 2, 2, 3, 8), (2, 1, 8)),
    ((1, 2, 2, 2, 3, 4), (4,)),
)


def _arithmetic() -> Iterator[Form]:
    for name, op in _OPS.items():
        for left, right in _BROADCASTS if name in ("add", "mul") else _BROADCASTS[1:8:2]:
            kind = "positive" if name == "div" else "normal"
            yield call(f"{name} {named(of=left, by=right)}", op, left, Tensor(right, kind))
            yield call(
                f"{name} {named(of=left)} constant {named(by=right)}", op, left, constants=(Tensor(right, kind),)
            )
        yield call(
            f"{name} constant first",
            lambda x, w, op=op: op(w, x),
            Tensor(_X, "positive"),
            constants=(Tensor((8,), "positive"),),
        )
        yield call(f"{name} computed", lambda x, y, op=op: op(x.sigmoid(), y.exp()), _X, _X)
        yield call(f"{name} itself", lambda x, op=op: op(x, x), Tensor(_X, "positive"))
    for number in (2, 0.5, -3.0, 0):
        yield call(f"add number {number}", lambda x, n=number: x + n, _X)
        yield call(f"sub number {number}", lambda x, n=number: x - n, _X)
        yield call(f"rsub number {number}", lambda x, n=number: n - x, _X)
        yield call(f"mul number {number}", lambda x, n=number: x * n, _X)
    yield call("mul number 1e5", lambda x: x * 1e5, _X)
    yield call("add number 1e5", lambda x: x + 1e5, _X)
    yield call("mul number 1e-5", lambda x: x * 1e-5, _X)
    yield call("div number", lambda x: x / 3, _X)
    yield call("number by x", lambda x: 2 / x, Tensor(_X, "positive"))
    yield call("add alpha", lambda x, y: torch.add(x, y, alpha=0.5), _X, _X)
    yield call("sub alpha", lambda x, y: torch.sub(x, y, alpha=2), _X, _X)
    yield call("rsub alpha", lambda x, y: torch.rsub(x, y, alpha=2), _X, _X)
    yield call("lerp", lambda x, y: torch.lerp(x, y, 0.3), _X, _X)
    yield call("addcmul", lambda x, y, z: torch.addcmul(x, y, z, value=0.5), _X, _X, _X)
    yield call("addcdiv", lambda x, y, z: torch.addcdiv(x, y, z), _X, _X, Tensor(_X, "positive"))
    for mode in ("floor", "trunc"):
        yield call(f"div mode {mode}", lambda x, mode=mode: torch.div(x * 4, 0.7, rounding_mode=mode), _X)
    yield call("remainder", lambda x: x % 0.7, _X)
    yield call("fmod", lambda x: torch.fmod(x, 0.7), _X)
    yield call("atan2", torch.atan2, _X, Tensor(_X, "positive"))
    yield call("hypot", torch.hypot, _X, Tensor(_X, "positive"))
    yield call("pow tensor", torch.pow, Tensor(_X, "positive"), Tensor(_X, "unit"))
    yield call("pow base broadcast", torch.pow, Tensor((8,), "positive"), Tensor(_X, "unit"))
    for exponent in (0.5, 1, 2, 3, -1, 1.5):
        yield call(f"pow {exponent}", lambda x, n=exponent: x**n, Tensor(_X, "positive"))
    yield call("pow 2 of normal", lambda x: x**2, _X)
    yield call("pow 3 of normal", lambda x: x**3, _X)
    yield call("number pow", lambda x: 2.0**x, _X)
    yield call("logaddexp", torch.logaddexp, _X, _X)
    yield call("xlogy", torch.xlogy, Tensor(_X, "positive"), Tensor(_X, "positive"))


def _unary() -> Iterator[Form]:
    anywhere = "exp abs neg sin cos atan sinh cosh tanh asinh erf floor ceil round trunc frac sign square sigmoid exp2 expm1 sinc"
    for name in anywhere.split():
        yield call(name, getattr(torch, name), _X)
    for name in "log sqrt rsqrt reciprocal log1p log2 log10 lgamma".split():
        yield call(name, getattr(torch, name), Tensor(_X, "positive"))
    for name in "tan asin acos atanh erfinv".split():
        yield call(name, getattr(torch, name), Tensor(_X, "unit"))
    yield call("acosh", lambda x: torch.acosh(x + 1), Tensor(_X, "positive"))
    yield call("logit", lambda x: torch.logit(x * 0.4 + 0.5), Tensor(_X, "unit"))
    yield call("round decimals", lambda x: torch.round(x, decimals=1), _X)
    yield call("nan_to_num", torch.nan_to_num, _X)
    for rank in (1, 2, 4, 5):
        yield call(f"exp rank{rank}", torch.exp, (1, 2, 2, 3, 8)[-rank:])
    yield call("sigmoid rank6", torch.sigmoid, (1, 2, 2, 2, 3, 4))
    yield call("relu rank0", torch.relu, ())
    yield call("relu rank6", torch.relu, (1, 2, 2, 2, 3, 4))


def _activations() -> Iterator[Form]:
    plain = "ReLU ReLU6 ELU CELU SELU GELU SiLU Mish Hardswish Hardsigmoid Hardtanh LeakyReLU PReLU Softplus Softsign Tanhshrink "
    plain += "Hardshrink Softshrink LogSigmoid RReLU Sigmoid Tanh"
    for name in plain.split():
        yield layer(f"nn {name}", getattr(nn, name), _X)
        if "inplace" in (getattr(nn, name).__init__.__annotations__):
            yield layer(
                f"nn {name} in place",
                lambda name=name: nn.Sequential(nn.Linear(8, 8), getattr(nn, name)(inplace=True)),
                _X,
            )
    yield layer("nn GELU tanh", lambda: nn.GELU("tanh"), _X)
    for alpha in (0.5, 2.0):
        yield layer(f"nn ELU alpha{alpha}", lambda alpha=alpha: nn.ELU(alpha), _X)
        yield layer(f"nn CELU alpha{alpha}", lambda alpha=alpha: nn.CELU(alpha), _X)
    for slope in (0.3, -0.5, 2.0):
        yield layer(f"nn LeakyReLU slope{slope}", lambda slope=slope: nn.LeakyReLU(slope), _X)
    for low, high in ((-0.5, 2.0), (0.0, 1.0), (0.5, 1.5)):
        yield layer(f"nn Hardtanh {low} {high}", lambda low=low, high=high: nn.Hardtanh(low, high), _X)
    yield layer("nn Softplus beta", lambda: nn.Softplus(beta=2.0), _X)
    yield layer("nn Softplus threshold", lambda: nn.Softplus(threshold=1.0), _X)
    yield layer("nn Threshold", lambda: nn.Threshold(0.1, -2.0), _X)
    yield layer("nn Hardshrink 1", lambda: nn.Hardshrink(1.0), _X)
    yield layer("nn Softshrink 1", lambda: nn.Softshrink(1.0), _X)
    for dim in (-1, 0):
        yield layer(f"nn GLU dim{dim}", lambda dim=dim: nn.GLU(dim), _X)
    for shape in ((3, 4), (2, 4, 5), (1, 4, 3, 5), (1, 4, 3, 2, 5)):
        yield layer(f"nn PReLU channels rank{len(shape)}", lambda: nn.PReLU(4), shape)
    yield layer("conv2d prelu", lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4)), (1, 3, 8, 8))
    for low, high in ((-0.5, None), (None, 0.5), (-0.5, 0.5), (0, 6), (-1, 1)):
        yield call(f"clamp {low} {high}", lambda x, low=low, high=high: x.clamp(low, high), _X)
    yield call("clamp tensors", lambda x, low: torch.clamp(x, low, low + 1), _X, (8,))
    yield call("clamp constant", lambda x, low: torch.clamp(x, min=low), _X, constants=(Tensor((8,)),))


def _compared() -> Iterator[Form]:
    for name in "eq ne gt ge lt le".split():
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
        return self.table(indices).sum(1)


def _dtypes() -> Iterator[Form]:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        word = str(dtype).removeprefix("torch.")
        kind = {"kind": "normal", "dtype": dtype}
        yield layer(
            f"{word} conv2d relu",
            lambda d=dtype: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(d),
            Tensor((1, 3, 8, 8), **kind),
        )
        yield layer(f"{word} linear", lambda d=dtype: nn.Linear(8, 4).to(d), Tensor(_X, **kind))
        yield call(f"{word} add", torch.add, Tensor(_X, **kind), Tensor(_X, **kind))
        yield call(f"{word} softmax", lambda x: x.softmax(-1), Tensor(_X, **kind))
        yield call(f"{word} layer_norm", lambda x: F.layer_norm(x, (8,)), Tensor(_X, **kind))
        yield call(f"{word} cast inside", lambda x, d=dtype: x.to(d).exp().float() + x, _X)
        yield call(f"{word} input cast", lambda x: x.float().exp(), Tensor(_X, **kind))


def forms() -> Iterator[Form]:
    """Every pointwise form."""
    yield from _arithmetic()
    yield from _unary()
    yield from _activations()
    yield from _compared()
    yield from _integers()
    yield from _dtypes()
