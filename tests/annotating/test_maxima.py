"""What nothing but a maximum reads is quantized over what the maximum picks; what anything else reads is not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.quantizer import SolveQuantizer

SAMPLE = (torch.linspace(-4, 2, 64).reshape(1, 1, 8, 8),)
WHOLE, PICKED = 6 / 255, 2 / 255
"""Steps over everything from -4 to 2, and over what is picked of it, with zero: from 0 to 2."""

Function = Callable[[torch.Tensor], object]


class Applied(nn.Module):
    """A function as a model; what it reads is computed."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> object:
        return self.function(torch.sin(x) * 0 + x)


def calibrated(function: Function, precision: str = "8a8w", *, copied: bool = False) -> torch.fx.GraphModule:
    """The model with its observers, once they have seen the sample; or a copy of it."""
    graph = torch.export.export(Applied(function), SAMPLE).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision=precision))
    prepared = copy.deepcopy(prepared) if copied else prepared
    prepared(*SAMPLE)
    assert isinstance(prepared, torch.fx.GraphModule)
    return prepared


def scales(prepared: torch.fx.GraphModule) -> dict[str, float]:
    """Real units per step of every quantized output of a node, by its name."""
    converted = convert_pt2e(prepared)
    return {
        node.args[0].name: node.args[1]
        for node in converted.graph.nodes
        if str(node.target).startswith("quantized_decomposed.quantize_per_tensor")
    }


@pytest.mark.parametrize(
    "function",
    [
        lambda x: max_pool2d(x, 8) + 1,
        lambda x: max_pool2d(x, 3, 1, 1).amax((2, 3)),
        lambda x: x.amax((1, 2, 3)),
        lambda x: x.reshape(1, 64).amax(1),
        lambda x: x.transpose(2, 3).reshape(1, 64).amax(1),
        lambda x: (x.amax((2, 3)), max_pool2d(x, 8)),
    ],
)
def test_what_only_maxima_read_has_the_range_that_they_pick(function: Function) -> None:
    assert scales(calibrated(function))["add"] == pytest.approx(PICKED, rel=0.01)


def test_of_a_minimum_it_is_what_is_smallest() -> None:
    assert scales(calibrated(lambda x: x.amin((1, 2, 3))))["add"] == pytest.approx(4 / 255, rel=0.01)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (max_pool2d(x, 8), x),
        lambda x: (max_pool2d(x, 8), x * 2),
        lambda x: (x.amax((2, 3)), x.amin((2, 3))),
        lambda x: torch.max(x.reshape(1, 64), 1),
        lambda x: x.reshape(1, 64).mean(1),
    ],
)
def test_what_anything_else_reads_keeps_its_own(function: Function) -> None:
    assert scales(calibrated(function))["add"] == pytest.approx(WHOLE, rel=0.01)


def test_a_maximum_shares_the_encoding_of_its_input() -> None:
    found = scales(calibrated(lambda x: (max_pool2d(x, 4), x * 2)))
    assert found["max_pool2d"] == found["add"] == pytest.approx(WHOLE, rel=0.01)


def test_16_bits_are_no_exception() -> None:
    assert scales(calibrated(lambda x: x.amax((1, 2, 3)), "16a8w"))["add"] == pytest.approx(2 / 65535, rel=0.01)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13's own, while it copies a graph
def test_a_copied_model_looks_at_its_own_maxima() -> None:
    found = scales(calibrated(lambda x: x.amax((1, 2, 3)), copied=True))
    assert found["add"] == found["amax"] == pytest.approx(PICKED, rel=0.01)
