"""Batch norms are folded into what nobody else reads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.quantizer import SolveQuantizer

Build = Callable[[], nn.Module]
SAMPLE = (torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0)),)


def _normed(norm: Any) -> Any:
    with torch.no_grad():
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.3, 2.0)
        norm.weight.uniform_(0.5, 3.0)
        norm.bias.normal_()
    return norm


class Residual(nn.Module):
    """The first block of a pre-activation ResNet: the convolution's output is read besides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3), _normed(nn.BatchNorm2d(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        z: torch.Tensor = y + self.norm(y).relu()
        return z


class Shared(nn.Module):
    """A head over two levels: one convolution, and a norm of its own for each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 4, 3)
        self.norms = nn.ModuleList([_normed(nn.BatchNorm2d(4)), _normed(nn.BatchNorm2d(4))])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.norms[0](self.conv(x)), self.norms[1](self.conv(x * 0.5))


def _plain() -> nn.Module:
    return nn.Sequential(nn.Conv2d(8, 4, 3), _normed(nn.BatchNorm2d(4)))


def _grouped() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2), _normed(nn.BatchNorm2d(6)))


def _weight_normed() -> nn.Module:
    return nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 4, 3)), _normed(nn.BatchNorm2d(4)))


def _rows() -> nn.Module:
    """A norm over rows, of a linear with as many features."""
    return nn.Sequential(nn.Flatten(2), nn.Linear(64, 8), _normed(nn.BatchNorm1d(8)))


def _features(weight: bool, bias: bool) -> nn.Module:
    norm = _normed(nn.BatchNorm1d(6))
    norm.weight = norm.weight if weight else None
    norm.bias = norm.bias if bias else None
    return nn.Sequential(nn.Flatten(), nn.Linear(512, 6, bias=bias), norm)


@pytest.mark.parametrize(
    ("build", "convolutions"),
    [
        (_rows, 1),
        (functools.partial(_features, True, True), 0),
        (functools.partial(_features, False, True), 1),
        (functools.partial(_features, True, False), 1),
        (functools.partial(_features, False, False), 1),
    ],
)
def test_a_linear_takes_norms_of_its_features_alone(build: Callable[[], nn.Module], convolutions: int) -> None:
    test_whoever_else_reads_a_convolution_gets_its_own_values(build, convolutions)


@pytest.mark.parametrize(
    ("build", "convolutions"),
    [(Residual, 2), (Shared, 4), (_plain, 1), (_grouped, 2), (_weight_normed, 2)],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_whoever_else_reads_a_convolution_gets_its_own_values(
    build: Callable[[], nn.Module], convolutions: int
) -> None:
    torch.manual_seed(0)
    model = build().eval()
    prepared = prepare_pt2e(
        torch.export.export(model, SAMPLE).module(), SolveQuantizer("htp", "SM8750", precision="16a8w")
    )
    prepared(*SAMPLE)
    converted = convert_pt2e(prepared)
    with torch.no_grad():
        exact, got = model(*SAMPLE), converted(*SAMPLE)
    for one, other in zip(*((each,) if isinstance(each, torch.Tensor) else each for each in (exact, got)), strict=True):
        assert float((one - other).abs().max()) < 0.02 * float(one.abs().max())
    assert sum("aten.conv" in str(node.target) for node in converted.graph.nodes) == convolutions
