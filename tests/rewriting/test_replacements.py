"""What is written before annotation computes the same, and ends in targets that have builders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.facts.fx import read_graph
from qnnsolve.facts.graph import Graph
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.replacements import REPLACED, replace
from qnnsolve.rules.builders import BUILDERS
from tests.rewriting.exporting import IMAGE, X, exported, targets
from tests.rewriting.replaced_forms import FORMS, STAYING

aten = torch.ops.aten
WHOLE = torch.tensor([-20001, -9, -8, -1, 0, 7, 9, 2**31 + 1])
DIVISORS = torch.tensor([7, -4, 3, 5, -2, -3, 4, 2])
MASK = torch.arange(64).reshape(2, 4, 8) % 3 == 0
TAPS = torch.randn(5, 8, 3, generator=torch.Generator().manual_seed(7))
MEAN, VARIANCE = torch.tensor([-3.0, 0.5, 2.0, 7.0]), torch.tensor([0.01, 1.0, 4.0, 9.0])

CASES: dict[str, tuple[Callable[..., Any], tuple[torch.Tensor, ...]]] = {
    "max.dim": (lambda x: tuple(torch.max(x, dim=1)), (X,)),
    "min.dim": (lambda x: torch.min(x, dim=-1, keepdim=True)[0], (X,)),
    "max.default": (lambda x: x.max(), (X,)),
    "min.default": (lambda x: x.min(), (X,)),
    "mean.default": (lambda x: x.mean(), (X,)),
    "sum.default": (lambda x: x.sum(), (X,)),
    "softplus.default": (nn.functional.softplus, (X,)),
    "tanh.default": (lambda x: (x + 1).tanh(), (X.reshape(1, 16, 4),)),
    "log_sigmoid.default": (nn.functional.logsigmoid, (X,)),
    "selu.default": (nn.functional.selu, (X,)),
    "elu.default": (lambda x: torch.ops.aten.elu.default(x, 0.5, 2.0), (X,)),
    "clamp.Tensor": (lambda x, y: torch.clamp(x, -y, y), (X, X.abs() / 2)),
    "round.decimals": (lambda x: torch.round(x, decimals=1), (X,)),
    "fmod.Scalar": (lambda x: torch.fmod(x, 7.0), (X,)),
    "fmod.Tensor": (lambda x, y: torch.fmod(x, y), (X, X.abs() / 3 + 1)),
    "logaddexp.default": (torch.logaddexp, (X, X / 2)),
    "logsumexp.default": (lambda x: torch.logsumexp(x, (1, 2), keepdim=True), (X,)),
    "acosh.default": (torch.acosh, (X.abs() + 1,)),
    "floor_divide.default": (torch.floor_divide, (WHOLE, DIVISORS)),
    "floor_divide.Scalar": (lambda x: aten.floor_divide.Scalar(x, -3), (WHOLE,)),
    "div.Tensor_mode": (lambda x, y: torch.div(x, y, rounding_mode="trunc"), (WHOLE, DIVISORS)),
    "div.Scalar_mode": (lambda x: aten.div.Scalar_mode(x, 3, rounding_mode="floor"), (WHOLE,)),
    "divide.Tensor_mode": (lambda x, y: torch.divide(x, y, rounding_mode="floor"), (X, X.abs() / 3 + 1)),
    "divide.Scalar_mode": (lambda x: aten.divide.Scalar_mode(x, 3, rounding_mode="trunc"), (WHOLE,)),
    "remainder.Tensor": (torch.remainder, (WHOLE[:, None], DIVISORS)),
    "remainder.Scalar": (lambda x: x % -3, (WHOLE,)),
    "remainder.Scalar_Tensor": (lambda y: 100 % y, (DIVISORS,)),
    "floor.default": (torch.floor, (WHOLE,)),
    "ceil.default": (torch.ceil, (WHOLE,)),
    "trunc.default": (torch.trunc, (WHOLE,)),
    "round.default": (torch.round, (WHOLE,)),
    "__lshift__.Scalar": (lambda x: x << 2, (WHOLE,)),
    "__rshift__.Scalar": (lambda x: x >> 2, (WHOLE,)),
    "__lshift__.Tensor": (lambda x, y: x << y.abs(), (WHOLE, DIVISORS)),
    "__rshift__.Tensor": (lambda x, y: x >> y.abs(), (WHOLE, DIVISORS)),
    "pow.Scalar": (lambda x: torch.ops.aten.pow.Scalar(2.5, x), (X / 10,)),
    "cosine_similarity.default": (lambda x: nn.functional.cosine_similarity(x, x.flip(0), -1), (X + 3,)),
    "avg_pool1d.default": (lambda x: nn.functional.avg_pool1d(x, 2, padding=1), (X,)),
    "avg_pool2d.default": (lambda x: nn.functional.avg_pool2d(x, (4, 6), padding=(2, 3)), (IMAGE,)),
    "adaptive_avg_pool2d.default": (lambda x: nn.functional.adaptive_avg_pool2d(x, (3, 2)), (IMAGE,)),
    "avg_pool3d.default": (lambda x: nn.functional.avg_pool3d(x, 2, ceil_mode=True), (X.reshape(1, 2, 2, 4, 4),)),
    "max_pool1d.default": (lambda x: torch.ops.aten.max_pool1d.default(x.reshape(1, 2, 32), 2), (X.reshape(64),)),
    "max_pool2d.default": (lambda x: nn.functional.max_pool2d(x, 2, padding=1), (X.reshape(1, 4, 4, 4),)),
    "max_pool2d_with_indices.default": (
        lambda x: torch.ops.aten.max_pool2d_with_indices.default(x, 2)[0],
        (X.reshape(1, 4, 4, 4),),
    ),
    "max_pool3d.default": (lambda x: nn.functional.max_pool3d(x, 2, ceil_mode=True), (X.reshape(1, 2, 2, 4, 4),)),
    "adaptive_max_pool3d.default": (
        lambda x: nn.functional.adaptive_max_pool3d(x, (2, 3, 2)),
        (torch.randn(2, 2, 4, 7, 5),),
    ),
    "batch_norm.default": (
        lambda x: nn.functional.batch_norm(x, MEAN, VARIANCE, None, MEAN),
        (X.reshape(4, 4, 2, 2),),
    ),
    "instance_norm.default": (nn.functional.instance_norm, (X.reshape(1, 4, 2, 2, 4),)),
    "addcmul.default": (lambda x, y: torch.addcmul(x, y, y, value=0.5), (X, X.flip(0))),
    "addcdiv.default": (lambda x, y: torch.addcdiv(x, x, y), (X, X.abs() + 1)),
    "lerp.Scalar": (lambda x, y: torch.lerp(x, y, 0.3), (X, X.flip(0))),
    "lerp.Tensor": (lambda x, y: torch.lerp(x, y, y.sigmoid()), (X, X.flip(0))),
    "var.default": (lambda x: aten.var.default(x), (X,)),
    "std.default": (lambda x: aten.std.default(x, False), (X,)),
    "std.dim": (lambda x: x.std((0, 2), unbiased=False, keepdim=True), (X,)),
    "std.correction": (lambda x: torch.std(x, 1, correction=0), (X,)),
    "var_mean.default": (lambda x: aten.var_mean.default(x), (X,)),
    "var_mean.dim": (lambda x: aten.var_mean.dim(x, [1], False), (X,)),
    "var_mean.correction": (lambda x: torch.var_mean(x, (0, 1), correction=2, keepdim=True), (X,)),
    "std_mean.default": (lambda x: aten.std_mean.default(x)[0], (X,)),
    "std_mean.dim": (lambda x: aten.std_mean.dim(x, [-1], True, True)[::-1], (X,)),
    "std_mean.correction": (lambda x: aten.std_mean.correction(x, [-1], correction=1), (X,)),
    "softmax.int": (lambda x: x.softmax(0), (X,)),
    "_softmax.default": (lambda x: aten._softmax.default(x, 0, False), (X[0],)),
    "log_softmax.int": (lambda x: x.log_softmax(-2), (X[0],)),
    "_log_softmax.default": (lambda x: aten._log_softmax.default(x, 2, False), (X.reshape(1, 4, 4, 4),)),
    "unfold.default": (lambda x: (x.unfold(1, 3, 1), x.unfold(-1, 4, 4)), (X,)),
    "bilinear.default": (lambda x, y: nn.functional.bilinear(x, y, TAPS, TAPS[:, 0, 0]), (X / 30, X[..., :3] / 30)),
    "permute.default": (lambda x: x.permute(0, 1, -1) * 2, (X,)),
    "select.int": (lambda x: x[2] * x, (X.reshape(64),)),
    "sum.dim_IntList": (lambda x: (x * x).sum(0), (X.reshape(64),)),
    "mean.dim": (lambda x: x.mean(0), (X.reshape(64),)),
    "roll.default": (lambda x: x.roll((-3, 1, 8), (-1, 0, 2)), (X,)),
    "logical_or.default": (torch.logical_or, (MASK, ~MASK)),
    "logical_xor.default": (torch.logical_xor, (MASK, MASK)),
    "bitwise_not.default": (lambda m: ~m, (MASK,)),
    "all.default": (lambda m: m.all(), (MASK,)),
    "all.dim": (lambda m: m.all(-1), (MASK,)),
    "all.dims": (lambda m: torch.all(m, (1, 2)), (MASK,)),
    **FORMS,
}

STAY = (
    *("avg_pool1d.default", "avg_pool2d.default", "avg_pool3d.default", "elu.default"),
    *STAYING,
    *("max_pool1d.default", "max_pool2d.default", "max_pool2d_with_indices.default", "max_pool3d.default"),
    *("roll.default", "sum.dim_IntList", "mean.dim", "instance_norm.default"),
    *("softmax.int", "_softmax.default", "log_softmax.int", "_log_softmax.default", "tanh.default"),
)
"""Targets that the rewritten model still has, in another form or with other ops behind them."""


def test_every_rewrite_has_a_case() -> None:
    assert {str(target) for target in (*REPLACED, aten.prelu.default)} == {f"aten.{name}" for name in CASES}


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_rewritten_model_computes_the_same(name: str) -> None:
    compute, inputs = CASES[name]
    module = exported(compute, inputs)
    assert f"aten.{name}" in targets(module), "the model does not have the target it is here for"
    rewritten = replace(module)
    torch.testing.assert_close(rewritten(*inputs), compute(*inputs))
    assert name in STAY or f"aten.{name}" not in targets(rewritten)


INTEGERS = [name for name, (_, inputs) in CASES.items() if inputs[0].dtype == torch.int64]


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_integers_stay_exact_integers_through_every_pass(name: str, dtype: torch.dtype) -> None:
    """ExecuTorch's own passes before annotation make floats of divisions and remainders."""
    compute, inputs = CASES[name][0], tuple(x.clamp(max=2**31 - 1).to(dtype) for x in CASES[name][1])
    transformed = SolveQuantizer().transform_for_annotation(exported(compute, inputs))
    wanted, found = compute(*inputs), transformed(*inputs)
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_what_a_rewrite_leaves_can_be_built(name: str) -> None:
    transformed = SolveQuantizer().transform_for_annotation(exported(*CASES[name]))
    assert targets(transformed) <= BUILDERS.keys()


@pytest.mark.parametrize(
    ("compute", "inputs"),
    [
        (lambda x: nn.functional.softplus(x, beta=2.0), (X,)),
        (lambda x: ~x, (torch.arange(4),)),
        (lambda x: x.sum(), (torch.arange(4, dtype=torch.int32),)),
        (lambda x: x.mean(), (torch.tensor(1.0),)),
        (nn.functional.elu, (X,)),
        (lambda x: nn.functional.avg_pool3d(x, 2, 2, padding=1), (X.reshape(1, 2, 2, 4, 4),)),
        (lambda x: torch.floor_divide(x, 3.0), (X,)),
        (lambda x: torch.div(x, 3.0, rounding_mode="floor"), (X,)),
        (lambda x: x % 3.0, (X,)),
        (torch.floor, (X,)),
        (lambda x, m: torch.ops.aten.index.Tensor(x, [m]), (X, torch.tensor([[True, False, True, True]] * 2))),
        (lambda x: nn.functional.avg_pool2d(x, 4, 2), (IMAGE,)),
        (lambda x: nn.functional.adaptive_avg_pool2d(x, (1, 3)), (IMAGE,)),
        (lambda x: nn.functional.adaptive_avg_pool2d(x, (65, 5)), (IMAGE,)),
        (lambda x: nn.functional.adaptive_max_pool2d(x, (3, 6)), (IMAGE,)),
        (lambda x: nn.functional.adaptive_max_pool2d(x, 5, return_indices=True), (IMAGE,)),
        (lambda x: nn.functional.interpolate(x, (6, 5), mode="bilinear"), (IMAGE,)),
        (lambda x: nn.functional.interpolate(x, (7, 7), mode="bicubic"), (IMAGE,)),
        (lambda x: nn.functional.max_pool2d(x, 2, 1), (X.reshape(1, 4, 4, 4),)),
        (lambda x: x.softmax(1), (X,)),
        (lambda x: x.tanh(), (X.reshape(2, 16, 2),)),
        (lambda x: x.tanh(), (X.reshape(4, 16),)),
        (lambda x: x[0, 0].tanh(), (X,)),
        (lambda x: x.log_softmax(-1), (X,)),
        (lambda x: torch.ops.aten.pow.Scalar(-2.0, x), (torch.arange(4.0),)),
        (lambda x: torch.ops.aten.pow.Scalar(2, x), (torch.arange(4),)),
    ],
)
def test_other_forms_are_left_alone(compute: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> None:
    module = exported(compute, inputs)
    before = targets(module)
    assert targets(replace(module)) == before


@pytest.mark.parametrize(
    ("behind", "groups"),
    [
        (lambda y: y[None], 8),
        (lambda y: y[:, None].relu(), 8),
        (lambda y: nn.functional.max_pool2d(y, 2).reshape(1, *y.shape[:2], 4, 4), 8),
        (lambda y: y[:, :, None], 4),
        (lambda y: y.flatten(1), 4),
        (lambda y: y * 2, 4),
    ],
)
def test_channels_are_repeated_only_where_a_fifth_dimension_is_made(behind: Callable[..., Any], groups: int) -> None:
    kernel = torch.randn(8, 1, 3, 3)
    convolve = lambda x, kernel: behind(nn.functional.conv2d(x, kernel, None, 1, 0, 1, 4))  # noqa: E731
    module = replace(exported(convolve, (torch.randn(2, 4, 10, 10), kernel)))
    assert [node.args[6] for node in module.graph.nodes if node.target is aten.conv2d.default] == [groups]


VOLUME = torch.randn(1, 2, 6, 7, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("compute", "inputs"),
    [
        (lambda x: x.roll(1, -1), (X,)),
        (lambda x: x.roll((2, -3), (-1, 1)), (X,)),
        (lambda x: x.roll((0, 8), (1, 2)) * 2, (X,)),
        (lambda x: x.roll(3), (X,)),
        (lambda x: nn.functional.adaptive_max_pool3d(x, 2), (VOLUME,)),
        (lambda x: nn.functional.adaptive_max_pool3d(x, (4, 1, 3)), (VOLUME,)),
        (lambda x: nn.functional.max_pool3d(x, 2, 1, dilation=2), (VOLUME,)),
        (lambda x: nn.functional.max_pool3d(x, 3, 2, 1, dilation=(2, 1, 2), ceil_mode=True), (VOLUME,)),
        (lambda x: nn.functional.max_pool3d(x, (2, 1, 3), padding=(1, 0, 1)), (VOLUME,)),
    ],
)
def test_what_lowering_would_take_apart_wrongly_computes_the_same(
    compute: Callable[..., Any], inputs: tuple[torch.Tensor, ...]
) -> None:
    """ExecuTorch's passes are silently wrong on some of these, so they run here as well."""
    transformed = SolveQuantizer().transform_for_annotation(exported(compute, inputs))
    torch.testing.assert_close(transformed(*inputs), compute(*inputs))


def test_the_graph_is_read_once_for_all_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it anew for each PReLU took a chain of 2,000 of them minutes."""
    read = [0]

    def counted(module: torch.fx.GraphModule) -> Graph:
        read[0] += 1
        return read_graph(module)

    monkeypatch.setattr("qnnsolve.rewriting.channels.read_graph", counted)
    chain = torch.nn.Sequential(*(torch.nn.PReLU(4) for _ in range(8))).eval()
    x = torch.randn(1, 4, 3, 3)
    module = replace(torch.export.export(chain, (x,)).module())
    assert read == [1]
    assert {str(node.target) for node in module.graph.nodes} >= {"aten.transpose.int", "aten.prelu.default"}
    torch.testing.assert_close(module(x), chain(x))
