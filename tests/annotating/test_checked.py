"""Samples that hold NaN or infinity are refused by the library's three lines, whatever reads the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.annotating.checked import SampleCheck
from qnnsolve.errors import UsageError


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        return self.function(x, y)


def fed(
    function: Callable[..., Any], bad: float, dtype: torch.dtype = torch.float32, precision: str = "16a8w"
) -> torch.fx.GraphModule:
    """The model after two samples, of which ``bad`` is one value in the second one's second input."""
    x, y = torch.randn(2, 2, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    graph = torch.export.export(Net(function), (x, y)).module()
    prepared: torch.fx.GraphModule = prepare_pt2e(
        graph, SolveQuantizer("htp", "SM8750", strict=False, precision=precision)
    )
    prepared(x, y)
    spoilt = y.clone()
    spoilt[1, 3] = bad
    prepared(x, spoilt)
    return prepared


@pytest.mark.filterwarnings("ignore:.*is taken to float32")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x + y,
        lambda x, y: x * 2,
        lambda x, y: (x * 2, y),
        lambda x, y: torch.softmax(x + y, -1),
        lambda x, y: x.reshape(-1) + y.t().reshape(-1),
        lambda x, y: x + torch.nan_to_num(y),
        lambda x, y: x.float() + y.float(),
    ],
)
def test_a_sample_with_nan_is_refused(function: Callable[..., Any], dtype: torch.dtype) -> None:
    with pytest.raises(UsageError, match=r"^calibration sample 1, input 'y': holds NaN$"):
        fed(function, math.nan, dtype)


@pytest.mark.parametrize("precision", ["8a8w", "fp16a8w"])
def test_nan_is_refused_at_every_precision(precision: str) -> None:
    with pytest.raises(UsageError, match="sample 1, input 'y': holds NaN"):
        fed(lambda x, y: torch.nn.functional.linear(x, y), math.nan, precision=precision)


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_infinity_is_refused_where_a_range_counts_it(bad: float) -> None:
    with pytest.raises(UsageError, match="sample 1, input 'y': holds infinity, and no softmax"):
        fed(lambda x, y: x.reshape(-1) @ y.t().reshape(-1), bad)
    fed(lambda x, y: x * torch.isinf(y), bad)
    fed(lambda x, y: x + y, bad, precision="fp16a8w")


def test_a_mask_may_be_infinite_on_its_side() -> None:
    fed(lambda x, y: torch.softmax(x + y, -1), -math.inf)
    with pytest.raises(UsageError, match="sample 1, input 'y': holds infinity, and a mask there has the other sign"):
        fed(lambda x, y: torch.softmax(x + y, -1), math.inf)


def test_the_converted_model_checks_no_samples() -> None:
    prepared = fed(lambda x, y: x + y, 1.0)
    assert any(isinstance(module, SampleCheck) for module in prepared.modules())
    converted = convert_pt2e(prepared)
    assert not any(isinstance(module, SampleCheck) for module in converted.modules())
    assert not any("_samples_fn" in str(node.target) for node in converted.graph.nodes)
    converted(torch.full((2, 8), math.nan), torch.ones(2, 8))
