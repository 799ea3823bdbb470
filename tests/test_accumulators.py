"""A weight's scale is at least what the chip's smallest factor asks for, and no more than that."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import export
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.quantizer import SolveQuantizer

LEAST = 6e-8
SAMPLE = (torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0)),)


class Joined(nn.Module):
    """A convolution with one channel of small weights, and what is behind it."""

    def __init__(self, behind: str, small: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.behind = nn.Conv2d(8, 8, 1), behind
        with torch.no_grad():
            self.conv.weight.mul_(torch.tensor([1.0, 1, 1, small, 1, 1, 1, 1]).reshape(8, 1, 1, 1))
            self.conv.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        match self.behind:
            case "concat":
                return torch.cat([y, x * 1000], 1)
            case "moved, concat":
                return torch.cat([y.reshape(1, 8, 64).unsqueeze(1), (x * 1000).reshape(1, 1, 8, 64)], 1)
            case "sum":
                return y + x * 1000
            case "hardswish":
                return functional.hardswish(y)
        return y


def scales(behind: str, small: float, precision: str, soc: str = "SM8750") -> tuple[torch.Tensor, torch.Tensor]:
    """Of the convolution's weight, as converted, and as calibration alone has it."""
    model = Joined(behind, small).eval()
    graph = torch.export.export(model, SAMPLE).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", soc, precision=precision))
    prepared(*SAMPLE)
    conv = next(node for node in prepared.graph.nodes if node.target is torch.ops.aten.conv2d.default)
    observer = getattr(prepared, conv.args[1].target)
    converted = convert_pt2e(prepared)
    conv = next(node for node in converted.graph.nodes if node.target is torch.ops.aten.conv2d.default)
    found = getattr(converted, conv.args[1].args[1].target)
    source, result = conv.args[0].args[1], next(iter(conv.users)).args[1]
    bias = getattr(converted, conv.args[2].args[1].target)
    assert torch.allclose(bias, found * source), "the bias is not in steps of the accumulator"
    assert not precision.startswith("16") or float((found * source / result).min()) >= 0.99 * LEAST
    calibrated = torch.maximum(-observer.min_val, observer.max_val) / observer.quant_max
    return found, calibrated


@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
@pytest.mark.parametrize(
    ("behind", "small", "raised"),
    [
        ("nothing", 1e-4, [3]),
        ("nothing", 1e-1, []),
        ("concat", 1e-2, [3]),
        ("moved, concat", 1e-2, [3]),
        ("sum", 1e-2, []),
        ("hardswish", 1e-4, [3]),
    ],
)
def test_a_16_bit_product_has_no_smaller_factor_than_the_chip_holds(
    behind: str, small: float, raised: list[int], soc: str
) -> None:
    found, calibrated = scales(behind, small, "16a8w", soc)
    assert (found > calibrated * 1.01).nonzero().flatten().tolist() == raised


@pytest.mark.parametrize("precision", ["8a8w", "16a16w"])
def test_8_bit_results_and_16_bit_weights_keep_their_scales(precision: str) -> None:
    found, calibrated = scales("concat", 1e-2, precision)
    assert torch.allclose(found, calibrated, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13's own, while it copies a graph
def test_a_copied_model_looks_at_its_own_observers() -> None:
    graph = torch.export.export(Joined("nothing", 1e-4).eval(), SAMPLE).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision="16a8w"))
    copied = copy.deepcopy(prepared)
    copied(*SAMPLE)
    conv = next(node for node in copied.graph.nodes if node.target is torch.ops.aten.conv2d.default)
    accumulator = getattr(copied, conv.args[1].target).accumulator
    assert accumulator.source is getattr(copied, conv.args[0].target)
    assert accumulator.results == (getattr(copied, next(iter(conv.users)).target),)


def test_every_product_has_a_least_factor() -> None:
    known = operator_facts("htp", "V79").curated.least_factor
    assert {op: fact.least for op, fact in known.items()} == dict.fromkeys(
        ("Conv2d", "Conv3d", "DepthWiseConv2d", "FullyConnected", "MatMul", "TransposeConv2d"), LEAST
    )


def test_the_emulator_computes_a_small_channel_before_a_concatenation(tmp_path: Path) -> None:
    result = export(Joined("concat", 1e-2), SAMPLE, out=tmp_path / "model.pte", soc="SM8750", precision="16a8w")
    assert result.delegates == 1 and result.verification is not None
    assert result.verification.emulator_vs_converted_max_rel < 1e-4
