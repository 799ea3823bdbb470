"""A weight's scale is at least what the chip's smallest factor asks for, and no more than that."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import export
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.quantizer import SolveQuantizer

LEAST = {"16a8w": 6e-8, "8a8w": 2.4e-7}
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
    assert precision == "16a16w" or float((found * source / result).min()) >= 0.99 * LEAST[precision]
    calibrated = torch.maximum(-observer.min_val, observer.max_val) / observer.quant_max
    return found, calibrated


@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
@pytest.mark.parametrize(
    ("behind", "small", "raised"),
    [
        ("nothing", 1e-6, [3]),
        ("nothing", 1e-1, []),
        ("concat", 1e-2, [3]),
        ("moved, concat", 1e-2, [3]),
        ("sum", 1e-2, []),
        ("hardswish", 1e-6, [3]),
    ],
)
def test_a_16_bit_product_has_no_smaller_factor_than_the_chip_holds(
    behind: str, small: float, raised: list[int], soc: str
) -> None:
    found, calibrated = scales(behind, small, "16a8w", soc)
    assert (found > calibrated * 1.01).nonzero().flatten().tolist() == raised


@pytest.mark.parametrize(("behind", "precision"), [("concat", "16a16w"), ("nothing", "8a8w")])
def test_16_bit_weights_and_wide_8_bit_ones_keep_their_scales(behind: str, precision: str) -> None:
    found, calibrated = scales(behind, 1e-2, precision)
    assert torch.allclose(found, calibrated, rtol=1e-3)


def test_an_8_bit_product_has_a_least_factor_of_its_own() -> None:
    found, calibrated = scales("concat", 1e-2, "8a8w")
    assert (found > calibrated * 1.01).nonzero().flatten().tolist() == [3]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13's own, while it copies a graph
def test_a_copied_model_looks_at_its_own_observers() -> None:
    graph = torch.export.export(Joined("nothing", 1e-4).eval(), SAMPLE).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision="16a8w"))
    copied = copy.deepcopy(prepared)
    copied(*SAMPLE)
    conv = next(node for node in copied.graph.nodes if node.target is torch.ops.aten.conv2d.default)
    factor, bias = getattr(copied, conv.args[1].target).accumulators
    assert factor.source is bias.source is getattr(copied, conv.args[0].target).observer
    assert factor.results == (getattr(copied, next(iter(conv.users)).target),)


def test_every_product_has_a_least_factor() -> None:
    known = operator_facts("htp", "V79").curated.least_factor
    found = {op: {fact.width: fact.least for fact in facts} for op, facts in known.items()}
    weighted = ("Conv2d", "Conv3d", "DepthWiseConv2d", "FullyConnected", "TransposeConv2d")
    assert found == {op: {16: 6e-8, 8: 2.4e-7} for op in weighted} | {"MatMul": {16: 6e-8}}


class Dead(nn.Module):
    """A product whose second channel has weights of zero, or next to zero, and a bias nevertheless."""

    def __init__(self, product: nn.Module, weights: float, bias: float) -> None:
        super().__init__()
        self.product = product
        axis = int("Transpose" in type(product).__name__)
        with torch.no_grad():
            weight, biases = product.parameters()
            weight.select(axis, 1).mul_(weights)
            biases.reshape(getattr(product, "groups", 1) if axis else 1, -1)[:, 1] = bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.product(x)
        return y


PRODUCTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(8, 4, 3), (1, 8, 12)),
    "conv2d": (lambda: nn.Conv2d(8, 4, 3), (1, 8, 6, 6)),
    "conv3d": (lambda: nn.Conv3d(8, 4, 1), (1, 8, 3, 3, 3)),
    "grouped": (lambda: nn.Conv2d(8, 4, 3, groups=2), (1, 8, 6, 6)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 3, groups=8), (1, 8, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 4, 2, stride=2), (1, 8, 4, 4)),
    "transposed, grouped": (lambda: nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2), (1, 8, 4, 4)),
    "transposed, 1d": (lambda: nn.ConvTranspose1d(8, 4, 2, stride=2), (1, 8, 6)),
    "linear": (lambda: nn.Linear(8, 4), (1, 5, 8)),
    "blocks": (lambda: nn.Conv2d(64, 4, 1), (1, 64, 4, 4)),
}


@pytest.mark.parametrize(("weights", "bias"), [(0.0, 0.5), (1e-3, -1e3)])
@pytest.mark.parametrize(
    ("product", "precision"),
    [
        *((product, "16a8w") for product in PRODUCTS),
        ("blocks", "16a4w_block"),
        ("conv2d", "8a8w"),
        ("conv2d", "16a16w"),
    ],
)
def test_a_channel_next_to_dead_keeps_its_bias(product: str, precision: str, weights: float, bias: float) -> None:
    torch.manual_seed(0)
    build, shape = PRODUCTS[product]
    sample = (torch.randn(shape),)
    model = Dead(build(), weights, bias).eval()
    graph = torch.export.export(model, sample).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision=precision))
    prepared(*sample)
    converted = convert_pt2e(prepared)
    channels = -1 if product == "linear" else 1
    with torch.no_grad():
        exact, got = (each(*sample).select(channels, 1) for each in (model, converted))
        reached = float(model(*sample).abs().max())
    assert float((got - exact).abs().max()) <= reached * (0.01 if precision[0] == "8" else 2e-3)
    steps = max(_bias_steps(converted))
    assert steps <= (2**29 if precision[0] == "8" else 2**31 * (1 - 2**-11))


def _bias_steps(converted: torch.fx.GraphModule) -> Iterator[int]:
    for node in converted.graph.nodes:
        if "dequantize" in str(node.target) and torch.int32 in node.args and -(2**31) in node.args:
            yield int(attrgetter(node.args[0].target)(converted).long().abs().max())


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dead, self.joined = Dead(nn.Conv2d(8, 4, 3), 0.0, 0.5), Joined("concat", 1e-2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.dead(x), self.joined(x)


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_the_emulator_computes_a_dead_channel_s_bias_and_a_small_one_before_a_concatenation(
    soc: str, tmp_path: Path
) -> None:
    result = export(Both().eval(), SAMPLE, out=tmp_path / "model.pte", soc=soc, precision="16a8w")
    assert result.delegates == 1 and result.verification is not None
    assert result.verification.emulator_vs_converted_max_rel < 1e-4
    assert result.verification.outputs[0].sqnr_db > 40
