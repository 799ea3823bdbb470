"""What is computed from parameters alone is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

from qnnsolve import solve
from qnnsolve.results import Placement
from qnnsolve.rewriting import constants
from qnnsolve.rewriting.constants import fold_constants
from qnnsolve.rewriting.opening import opened
from qnnsolve.rewriting.writes import spell_out_writes
from tests.rewriting.test_constants import calls


class Reads(nn.Module):
    """A call of ``compute(module, x)``, with float tensors as parameters and others as buffers."""

    def __init__(self, compute: Callable[..., Any], **held: Any) -> None:
        super().__init__()
        for name, value in held.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                self.register_parameter(name, nn.Parameter(value))
            elif isinstance(value, torch.Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self.compute = compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        computed: torch.Tensor = self.compute(self, x)
        return computed


def _linear(compute: Callable[..., Any], **held: Any) -> Reads:
    return Reads(lambda m, x: F.linear(x, compute(m)), **held)


def _in_thirds(m: Any, x: torch.Tensor) -> Any:
    q, k, v = m.w.chunk(3)
    a, b, c = m.b.split([8, 8, 8])
    return F.linear(F.linear(x, q, a).relu() + F.linear(x, k, b), v[:, :8], c)


def _standardised(m: Any) -> Any:
    variance, mean = torch.var_mean(m.w, dim=1, keepdim=True, unbiased=False)
    return (m.w - mean) * torch.rsqrt(variance + 1e-5)


def _filled(m: Any) -> Any:
    return torch.cat([m.a, torch.zeros(4, 16)]) + m.a.repeat(2, 1)


COMPUTED = {
    "weight norm": (weight_norm(nn.Linear(16, 8)), ["linear"]),
    "spectral norm": (spectral_norm(nn.Linear(16, 8)), ["linear"]),
    "orthogonal": (orthogonal(nn.Linear(16, 8)), ["linear"]),
    "scaled": (
        Reads(lambda m, x: F.linear(x, m.w * 0.25, m.b * 1.0), w=torch.randn(8, 16), b=torch.randn(8)),
        ["linear"],
    ),
    "standardised": (_linear(_standardised, w=torch.randn(8, 16)), ["linear"]),
    "batch norm of a weight": (
        _linear(lambda m: F.batch_norm(m.w[None], None, None, training=True)[0], w=torch.randn(8, 16)),
        ["linear"],
    ),
    "low rank": (
        _linear(lambda m: m.w + m.a @ m.b, w=torch.randn(8, 16), a=torch.randn(8, 2), b=torch.randn(2, 16)),
        ["linear"],
    ),
    "cut in parts": (
        Reads(_in_thirds, w=torch.randn(24, 16), b=torch.randn(24)),
        ["linear", "relu", "linear", "add", "linear"],
    ),
    "largest": (_linear(lambda m: m.w / m.w.abs().max(1, keepdim=True)[0], w=torch.randn(8, 16)), ["linear"]),
    "quantile": (_linear(lambda m: m.w.clamp(max=m.w.quantile(0.9)), w=torch.randn(8, 16)), ["linear"]),
    "by way of spectra": (
        _linear(
            lambda m: torch.fft.irfft(torch.fft.rfft(m.w) * torch.view_as_complex(m.s)),
            w=torch.randn(8, 16),
            s=torch.randn(8, 9, 2),
        ),
        ["linear"],
    ),
    "made from nothing": (Reads(lambda _, x: F.linear(x, torch.ones(8, 16), torch.full((8,), 1e5))), ["linear"]),
    "transposed": (Reads(lambda m, x: x @ m.w.t(), w=torch.randn(8, 16)), ["matmul"]),
    "dropout at rest": (_linear(lambda m: F.dropout(m.w, training=False), w=torch.randn(8, 16)), ["linear"]),
    "joined": (_linear(_filled, a=torch.randn(4, 16)), ["linear"]),
    "expanded": (_linear(lambda m: m.w.expand(8, 16), w=torch.randn(1, 16)), ["linear"]),
    "unpacked integers": (
        _linear(lambda m: m.q.float() * m.s, q=torch.randint(-8, 8, (8, 16)), s=torch.rand(8, 1)),
        ["linear"],
    ),
    "table of positions": (Reads(lambda m, x: x + m.p[: x.shape[0]], p=torch.randn(9, 16)), ["add"]),
    "table of biases": (
        Reads(lambda m, x: x + m.t[m.i.view(-1)].view(4, 16), t=torch.randn(7), i=torch.randint(0, 7, (4, 16))),
        ["add"],
    ),
    "under no_grad": (_linear(lambda m: torch.no_grad()(lambda: m.w * 2)(), w=torch.randn(8, 16)), ["linear"]),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_from_parameters_alone_is_computed_once(name: str) -> None:
    module, left = COMPUTED[name]
    x = torch.randn(4, 16)
    model = fold_constants(opened(torch.export.export(module.eval(), (x,)).module()))
    assert [call.split(".")[1] for call in calls(model)] == left
    torch.testing.assert_close(model(x), module(x))


def _export(module: nn.Module, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    """The graph as users make it, with its guards."""
    return torch.export.export(module.eval(), inputs).module()


def test_a_plain_weight_keeps_its_name_and_a_computed_one_is_a_parameter() -> None:
    model = fold_constants(_export(nn.Sequential(nn.Linear(16, 8), weight_norm(nn.Linear(8, 4))), torch.randn(2, 16)))
    weights = [node.args[1].target for node in model.graph.nodes if node.target is torch.ops.aten.linear.default]
    assert weights == ["0.weight", "folded_constant_0"]
    assert {"0.weight", "folded_constant_0"} <= dict(model.named_parameters()).keys()


def test_a_tensor_that_is_filled_in_place_is_no_constant() -> None:
    """Not before the writes are spelled out, at least: what reads it afterwards reads what was written."""

    def compute(m: Any, x: torch.Tensor) -> torch.Tensor:
        weight = torch.zeros(8, 16)
        weight[:4] = m.a
        weight[4:] = m.a * 2
        return F.linear(x, weight)

    module, x = Reads(compute, a=torch.randn(4, 16)), torch.randn(4, 16)
    model = fold_constants(_export(module, x))
    torch.testing.assert_close(model(x), module(x))
    torch.testing.assert_close(model(x), module(x))
    assert calls(fold_constants(spell_out_writes(opened(_export(module, x))))) == ["aten.linear.default"]


def test_a_weight_of_any_size_is_folded_and_an_expanded_constant_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "LARGEST", 100)
    low_rank = _linear(lambda m: m.a @ m.b, a=torch.randn(32, 1), b=torch.randn(1, 32))
    assert calls(fold_constants(_export(low_rank, torch.randn(4, 32)))) == ["aten.linear.default"]
    expanded = Reads(lambda m, x: x + (m.a * 2).expand(32, 32), a=torch.randn(1, 32))
    folded = fold_constants(_export(expanded, torch.randn(32, 32)))
    assert calls(folded) == ["aten.expand.default", "aten.add.Tensor"]


def test_a_large_weight_that_is_only_transposed_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "LARGEST", 100)
    module = Reads(lambda m, x: x @ m.w.t(), w=torch.randn(32, 16))
    assert calls(fold_constants(_export(module, torch.randn(4, 16)))) == ["aten.t.default", "aten.matmul.default"]


@pytest.mark.parametrize("second", [lambda m: m.w * 2, lambda m: m.w.flip(1)])
def test_values_that_are_made_of_one_another_are_all_folded(second: Callable[..., Any]) -> None:
    def compute(m: Any, x: torch.Tensor) -> torch.Tensor:
        first = m.w.abs() + second(m)
        return F.linear(x, first) + F.linear(x, first.exp() + second(m))

    module, x = Reads(compute, w=torch.randn(8, 16)), torch.randn(4, 16)
    model = fold_constants(_export(module, x))
    assert calls(model) == ["aten.linear.default", "aten.linear.default", "aten.add.Tensor"]
    torch.testing.assert_close(model(x), module(x))


def test_a_batch_norm_is_folded_into_a_computed_weight() -> None:
    layers = nn.Sequential(weight_norm(nn.Conv2d(3, 8, 3)), nn.BatchNorm2d(8))
    result = solve(layers.eval(), (torch.randn(1, 3, 8, 8),), soc="SM8750", precision="16a8w")
    assert [(node.target, node.placement) for node in result.nodes] == [("aten.conv2d.default", Placement.NPU)]
