"""Activations, and arithmetic with broadcasts, numbers and constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
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
    anywhere = "exp abs neg sin cos atan sinh cosh tanh asinh erf floor ceil round trunc frac sign square sigmoid"
    for name in [*anywhere.split(), "exp2", "expm1", "sinc"]:
        yield call(name, getattr(torch, name), _X)
    for name in ("log", "sqrt", "rsqrt", "reciprocal", "log1p", "log2", "log10", "lgamma"):
        yield call(name, getattr(torch, name), Tensor(_X, "positive"))
    for name in ("tan", "asin", "acos", "atanh", "erfinv"):
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
    plain = "ReLU ReLU6 ELU CELU SELU GELU SiLU Mish Hardswish Hardsigmoid Hardtanh LeakyReLU PReLU "
    plain += "Softplus Softsign Tanhshrink Hardshrink Softshrink LogSigmoid RReLU Sigmoid Tanh"
    for name in plain.split():
        yield layer(f"nn {name}", getattr(nn, name), _X)
        if "inplace" in (getattr(nn, name).__init__.__annotations__):
            yield layer(
                f"nn {name} in place",
                lambda name=name: nn.Sequential(nn.Linear(8, 8), getattr(nn, name)(inplace=True)),
                _X,
            )
    for rows in (15, 16, 32):
        yield layer(f"nn Tanh rows{rows}", lambda: nn.Sequential(nn.Linear(8, 8), nn.Tanh()), (1, rows, 8))
    yield layer("nn Mish rows16", nn.Mish, (16, 8))
    yield layer("nn LSTMCell rows16", lambda: nn.LSTMCell(8, 8), (16, 8))
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
    for least, most in ((-0.5, None), (None, 0.5), (-0.5, 0.5), (0, 6), (-1, 1)):
        yield call(f"clamp {least} {most}", lambda x, low=least, high=most: x.clamp(low, high), _X)
    yield call("clamp tensors", lambda x, low: torch.clamp(x, low, low + 1), _X, (8,))
    yield call("clamp constant", lambda x, low: torch.clamp(x, min=low), _X, constants=(Tensor((8,)),))


def forms() -> Iterator[Form]:
    """Every pointwise form."""
    yield from _arithmetic()
    yield from _unary()
    yield from _activations()
