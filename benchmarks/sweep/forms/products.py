"""Linears and matrix products: ranks, broadcasts, constant and computed operands, equations."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_PAIRS = (
    ((6,), (6,)),
    ((6,), (6, 4)),
    ((5, 6), (6,)),
    ((5, 6), (6, 4)),
    ((2, 5, 6), (6,)),
    ((2, 5, 6), (6, 4)),
    ((5, 6), (2, 6, 4)),
    ((2, 5, 6), (2, 6, 4)),
    ((1, 5, 6), (2, 6, 4)),
    ((2, 3, 5, 6), (6, 4)),
    ((2, 3, 5, 6), (3, 6, 4)),
    ((2, 3, 5, 6), (2, 3, 6, 4)),
    ((2, 1, 5, 6), (1, 3, 6, 4)),
    ((1, 2, 3, 5, 6), (6, 4)),
    ((1, 2, 3, 5, 6), (1, 2, 3, 6, 4)),
    ((1, 6), (6, 1)),
    ((2, 1, 6), (2, 6, 5)),
)
_EQUATIONS = (
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,kj->ik", (3, 4), (5, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
    ("bhid,bhjd->bhij", (1, 2, 3, 4), (1, 2, 5, 4)),
    ("bihd,bjhd->bhij", (1, 3, 2, 4), (1, 5, 2, 4)),
    ("bhij,bjhd->bihd", (1, 2, 3, 5), (1, 5, 2, 4)),
    ("bchw,cd->bdhw", (1, 3, 4, 5), (3, 6)),
    ("nctv,vw->nctw", (1, 3, 4, 5), (5, 5)),
    ("nkctv,kvw->nctw", (1, 2, 3, 4, 5), (2, 5, 5)),
    ("i,j->ij", (4,), (5,)),
    ("i,i->", (4,), (4,)),
    ("ij,ij->i", (3, 4), (3, 4)),
    ("bi,bj->bij", (2, 3), (2, 4)),
    ("bhwc,hkc->bhwk", (1, 3, 4, 5), (3, 6, 5)),
    ("abcde,ef->abcdf", (1, 2, 3, 2, 4), (4, 5)),
)


def _linears() -> Iterator[Form]:
    for shape in ((6,), (1, 6), (5, 6), (2, 5, 6), (2, 3, 5, 6), (1, 2, 3, 5, 6)):
        for biased in (True, False):
            yield layer(
                f"linear rank{len(shape)} {named(of=shape)} bias{biased}", lambda b=biased: nn.Linear(6, 4, b), shape
            )
    yield layer("linear to 1", lambda: nn.Linear(6, 1), (5, 6))
    yield layer("linear from 1", lambda: nn.Linear(1, 6), (5, 1))
    yield layer("linear relu", lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)), (5, 6))
    yield layer("linear batch_norm", lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)), (5, 6))
    yield layer("linear weight_norm", lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), (5, 6))
    yield layer("bilinear", lambda: nn.Bilinear(6, 5, 4), (3, 6), (3, 5))
    weight, bias = Tensor((4, 6)), Tensor((4,))
    yield call("linear weight scaled", lambda x, w, b: F.linear(x, w * 0.25, b * 2), (5, 6), constants=(weight, bias))
    yield call("linear weight sliced", lambda x, w: F.linear(x, w[1:]), (5, 6), constants=(weight,))
    yield call(
        "linear weight split",
        lambda x, w: torch.cat([F.linear(x, p) for p in w.chunk(2)], -1),
        (5, 6),
        constants=(weight,),
    )
    yield call(
        "linear low rank sum",
        lambda x, w, a, b: F.linear(x, w + a @ b),
        (5, 6),
        constants=(weight, Tensor((4, 2)), Tensor((2, 6))),
    )
    yield call("linear tied", lambda x, w: F.linear(F.linear(x, w), w.t()), (5, 6), constants=(weight,))
    yield call("linear weight computed", lambda x, w: F.linear(x, w), (5, 6), (4, 6))
    yield call("linear bias computed", lambda x, b, w: F.linear(x, w, b), (5, 6), (4,), constants=(weight,))
    yield call(
        "embedding tied",
        lambda i, w: F.linear(F.embedding(i, w), w),
        Tensor((2, 3), "index", below=4),
        constants=(weight,),
    )


def _products() -> Iterator[Form]:
    for left, right in _PAIRS:
        yield call(f"matmul {named(of=left, by=right)}", torch.matmul, left, right)
        yield call(
            f"matmul {named(of=left)} by constant {named(by=right)}", torch.matmul, left, constants=(Tensor(right),)
        )
    for left, right in _PAIRS[3:13:3]:
        yield call(
            f"matmul constant {named(of=left)} {named(by=right)}",
            lambda x, w: torch.matmul(w, x),
            right,
            constants=(Tensor(left),),
        )
    yield call("matmul transposed", lambda x, y: x @ y.transpose(-1, -2), (2, 5, 6), (2, 4, 6))
    yield call("matmul by itself", lambda x: x @ x.mT, (2, 5, 6))
    yield call("matmul computed", lambda x, y: x.sigmoid() @ y.tanh(), (2, 5, 6), (2, 6, 4))
    yield call("mm", torch.mm, (5, 6), (6, 4))
    yield call("bmm", torch.bmm, (2, 5, 6), (2, 6, 4))
    yield call("mv", torch.mv, (5, 6), (6,))
    yield call("dot", torch.dot, (6,), (6,))
    yield call("outer", torch.outer, (5,), (6,))
    yield call("inner", torch.inner, (5, 6), (4, 6))
    yield call("kron", torch.kron, (2, 3), (3, 2))
    yield call("cdist", torch.cdist, (1, 5, 6), (1, 4, 6))
    yield call("tensordot", lambda x, y: torch.tensordot(x, y, dims=2), (2, 3, 4), (3, 4, 5))
    yield call("chain_matmul", lambda x, y, z: torch.linalg.multi_dot([x, y, z]), (3, 4), (4, 5), (5, 2))
    for more in ({}, {"beta": 0.5}, {"alpha": 2}, {"beta": 0}):
        told = named(**more)
        yield call(
            f"addmm {told}".strip(), lambda c, x, y, more=more: torch.addmm(c, x, y, **more), (5, 4), (5, 6), (6, 4)
        )
        yield call(
            f"baddbmm {told}".strip(),
            lambda c, x, y, more=more: torch.baddbmm(c, x, y, **more),
            (2, 5, 4),
            (2, 5, 6),
            (2, 6, 4),
        )
    yield call(
        "addmm constants", lambda x, c, w: torch.addmm(c, x, w), (5, 6), constants=(Tensor((4,)), Tensor((6, 4)))
    )
    yield call("addmv", torch.addmv, (5,), (5, 6), (6,))
    yield call("addbmm", torch.addbmm, (5, 4), (2, 5, 6), (2, 6, 4))


def forms() -> Iterator[Form]:
    """Every form of linears and products."""
    yield from _linears()
    yield from _products()
    for equation, left, right in _EQUATIONS:
        yield call(f"einsum {equation}", lambda x, y, equation=equation: torch.einsum(equation, x, y), left, right)
        if len(left) > 1 and equation.count("b") == 2:
            yield call(
                f"einsum {equation} constant",
                lambda x, y, equation=equation: torch.einsum(equation, x, y),
                left,
                constants=(Tensor(right),),
            )
    yield call("einsum ij->ji", lambda x: torch.einsum("ij->ji", x), (3, 4))
    yield call("einsum bij->b", lambda x: torch.einsum("bij->b", x), (2, 3, 4))
    yield call("einsum three", lambda x, y, z: torch.einsum("bi,ij,bj->b", x, y, z), (2, 3), (3, 4), (2, 4))
