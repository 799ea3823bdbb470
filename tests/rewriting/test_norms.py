"""Normalizations over several dimensions are written as such over one, and stay what they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qnnsolve import solve
from qnnsolve.results import Placement
from qnnsolve.rewriting.norms import flatten_norms


class Affine(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        with torch.no_grad():
            for parameter in norm.parameters():
                parameter.copy_(torch.linspace(0.5, 1.5, parameter.numel()).reshape(parameter.shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = self.norm(x)
        return normed


class Call(nn.Module):
    def __init__(self, body: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Scaled(nn.Module):
    """A weight that is computed, not a parameter as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 8) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (4, 8), self.weight * 2.0)


FORMS = {
    "layer_norm over two": Affine(nn.LayerNorm((4, 8))),
    "layer_norm over three": Affine(nn.LayerNorm((3, 4, 8), eps=1e-3)),
    "layer_norm over all": Affine(nn.LayerNorm((2, 3, 4, 8))),
    "layer_norm without bias": Affine(nn.LayerNorm((4, 8), bias=False)),
    "layer_norm, not affine": nn.LayerNorm((4, 8), elementwise_affine=False),
    "rms_norm over two": Affine(nn.RMSNorm((4, 8), eps=1e-4)),
    "rms_norm, not affine": nn.RMSNorm((3, 4, 8), elementwise_affine=False),
    "rms_norm with a computed weight": Scaled(),
    "native_layer_norm": Call(lambda x: torch.ops.aten.native_layer_norm(x, [4, 8], None, None, 1e-5)[0]),
}


def exported(model: nn.Module, x: torch.Tensor) -> torch.fx.GraphModule:
    graph = torch.export.export(model, (x,)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


@pytest.mark.parametrize("name", FORMS)
def test_only_the_last_dimension_is_normalized_over(name: str) -> None:
    x = torch.randn(2, 3, 4, 8) * 3 + 1
    graph = flatten_norms(exported(FORMS[name], x))
    graph.graph.lint()
    norms = [node for node in graph.graph.nodes if "norm.default" in str(node.target)]
    assert [len(node.args[1]) for node in norms] == [1]
    torch.testing.assert_close(graph(x), FORMS[name](x))


@pytest.mark.parametrize("name", ["layer_norm over two", "layer_norm over all", "rms_norm, not affine"])
def test_it_runs_on_the_accelerator(name: str) -> None:
    result = solve(FORMS[name], (torch.randn(2, 3, 4, 8),), soc="SM8350", precision="16a8w")
    placed = {node.placement for node in result.nodes}
    assert Placement.NPU in placed and Placement.CPU not in placed


def test_a_norm_whose_mean_is_read_stays() -> None:
    model = Call(lambda x: torch.ops.aten.native_layer_norm(x, [4, 8], None, None, 1e-5)[1])
    graph = exported(model, torch.randn(2, 3, 4, 8))
    before = len(graph.graph.nodes)
    assert len(flatten_norms(graph).graph.nodes) == before


@pytest.mark.parametrize("name", ["layer_norm", "layer_norm, not affine", "rms_norm", "layer_norm over two"])
def test_many_leading_dimensions_become_one(name: str) -> None:
    """Of five the accelerator compiles no norm on V68."""
    made = {"layer_norm": nn.LayerNorm(8), "rms_norm": nn.RMSNorm(8), "layer_norm over two": nn.LayerNorm((4, 8))}
    model = Affine(made.get(name, nn.LayerNorm(8, elementwise_affine=False)))
    x = torch.randn(2, 1, 2, 3, 4, 8) if "two" in name else torch.randn(2, 1, 3, 4, 8)
    graph = flatten_norms(exported(model, x))
    (norm,) = (node for node in graph.graph.nodes if "norm.default" in str(node.target))
    assert norm.meta["val"].dim() == 2
    torch.testing.assert_close(graph(x), model(x))
