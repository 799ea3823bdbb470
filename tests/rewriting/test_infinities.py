"""Infinite values become numbers that integers can stand for, and what a softmax cannot see takes no range."""

from __future__ import annotations

import math

import pytest
import torch
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.annotating.observers import Bounds
from qnnsolve.annotating.specs import concrete_spec
from qnnsolve.encodings import DType, Encoding
from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.infinities import HALF_MASK, MASK, bound_infinities

LEAST = torch.finfo(torch.float32).min


class Masked(torch.nn.Module):
    """Scores ``[batch, query, key]`` to attention weights, causally masked by a constant."""

    def __init__(self, least: float, size: int = 8) -> None:
        super().__init__()
        self.register_buffer("mask", torch.full((size, size), least).triu(1))
        self.mask: torch.Tensor

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.softmax(scores + self.mask, dim=-1)


class Filled(torch.nn.Module):
    """The same with a mask that is fed."""

    def forward(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.softmax(scores.masked_fill(mask, -math.inf), dim=-1)


def exported(model: torch.nn.Module, *inputs: torch.Tensor) -> GraphModule:
    module = torch.export.export(model, inputs).module()
    assert isinstance(module, GraphModule)
    return module


def values(module: GraphModule) -> list[float]:
    """Every number that the graph holds, in its arguments and its constants."""
    found = [argument for node in module.graph.nodes for argument in node.args if isinstance(argument, float)]
    for node in module.graph.nodes:
        if node.op == "get_attr":
            found += getattr(module, str(node.target)).flatten().tolist()
    return found


@pytest.mark.parametrize(
    ("least", "half", "becomes"),
    [
        (-math.inf, False, -MASK),
        (LEAST, False, -MASK),
        (-65504.0, False, -65504.0),
        (-math.inf, True, -HALF_MASK),
        (-65504.0, True, -HALF_MASK),
        (-1e4, True, -1e4),
    ],
)
def test_a_mask_becomes_a_number_and_the_model_keeps_its_own(least: float, half: bool, becomes: float) -> None:
    model = Masked(least)
    module = bound_infinities(exported(model, torch.randn(1, 8, 8)), half)
    assert min(values(module)) == pytest.approx(becomes)
    assert float(model.get_buffer("mask").min()) == least
    scores = torch.randn(1, 8, 8)
    torch.testing.assert_close(module(scores), model(scores))


def test_a_number_in_an_argument_becomes_finite() -> None:
    mask = torch.ones(8, 8).triu(1).bool()
    module = bound_infinities(exported(Filled(), torch.randn(1, 8, 8), mask))
    assert -MASK in values(module)
    assert all(map(math.isfinite, values(module)))


def test_finite_constants_and_bounds_of_a_clamp_stay() -> None:
    class Plain(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.clamp(x + 1000.5, -math.inf, 3.0)

    module = exported(Plain(), torch.randn(2))
    before = [(node.op, node.target, node.args) for node in module.graph.nodes]
    after = [(node.op, node.target, node.args) for node in bound_infinities(module).graph.nodes]
    assert [str(each) for each in before] == [str(each) for each in after]


def scale_of(spec: object, *samples: torch.Tensor) -> float:
    observer = spec.observer_or_fake_quant_ctr(  # type: ignore[attr-defined]
        dtype=spec.dtype,  # type: ignore[attr-defined]
        qscheme=spec.qscheme,  # type: ignore[attr-defined]
        quant_min=spec.quant_min,  # type: ignore[attr-defined]
        quant_max=spec.quant_max,  # type: ignore[attr-defined]
    )
    for sample in samples:
        observer(sample)
    return float(observer.calculate_qparams()[0])


def test_what_a_softmax_cannot_see_takes_no_range() -> None:
    u16 = Encoding.affine(DType.UINT16)
    rows = torch.tensor([[1.0, -MASK], [2.0, 0.0], [-MASK, -MASK]])
    masked = Bounds(softmax_dim=-1, mask=MASK / 2)
    assert scale_of(concrete_spec(u16, masked), rows) * 65535 == pytest.approx(2.0 + 23.0, rel=1e-3)
    assert scale_of(concrete_spec(u16), rows) * 65535 == pytest.approx(2.0 + MASK, rel=1e-3)


@pytest.mark.parametrize("lowest", [-200.0, -5000.0, -1e9])
def test_rows_are_low_that_no_mask_made_so(lowest: float) -> None:
    u16 = Encoding.affine(DType.UINT16)
    rows = torch.tensor([[0.0, 1.0], [lowest, 1.5 * lowest]])
    found = scale_of(concrete_spec(u16, Bounds(softmax_dim=-1)), rows) * 65535
    assert found == pytest.approx(1.0 - lowest + 24.0, rel=1e-3)


def test_rows_that_are_masked_whole_say_nothing() -> None:
    u8 = Encoding.affine(DType.UINT8)
    masked = Bounds(softmax_dim=0, mask=MASK / 2)
    assert scale_of(concrete_spec(u8, masked), torch.full((4,), -MASK), torch.arange(5.0)) == pytest.approx(4 / 255)


@pytest.mark.parametrize(("precision", "most"), [("16a8w", 5e-4), ("8a8w", 0.05)])
def test_masked_scores_keep_their_precision(precision: str, most: float) -> None:
    """With the mask in the range of the scores, a step would be 0.004 at 16 bits and 1.0 at 8."""
    torch.manual_seed(0)
    model, scores = Masked(-math.inf), torch.randn(1, 8, 8) * 3
    prepared = prepare_pt2e(exported(model, scores), SolveQuantizer("htp", "SM8750", precision=precision))
    prepared(scores)
    assert float((convert_pt2e(prepared)(scores) - model(scores)).abs().max()) <= most


class Returned(torch.nn.Module):
    """Scores ``[batch, query, key]``, scaled by a layer, with infinity where ``mask`` is, which nothing hides."""

    def __init__(self, then: bool = False) -> None:
        super().__init__()
        self.layer, self.then = torch.nn.Linear(8, 8), then

    def forward(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        masked: torch.Tensor = self.layer(scores).masked_fill(mask, -math.inf)
        return masked * 2 if self.then else masked


def calibrated(model: torch.nn.Module, *inputs: torch.Tensor, quantizer: SolveQuantizer) -> torch.nn.Module:
    prepared = prepare_pt2e(exported(model, *inputs), quantizer)
    prepared(*inputs)
    converted = convert_pt2e(prepared)
    assert isinstance(converted, torch.nn.Module)
    return converted


@pytest.mark.parametrize("precision", ["8a8w", "fp16a8w"])
def test_infinity_that_is_only_returned_is_written_on_the_cpu(precision: str) -> None:
    inputs = torch.randn(1, 8, 8), torch.ones(8, 8).triu(1).bool()
    quantizer = SolveQuantizer(precision=precision)
    converted = calibrated(Returned(), *inputs, quantizer=quantizer)
    assert torch.equal(converted(*inputs).isneginf(), inputs[1].expand(1, 8, 8))
    assert {name.partition(".")[0] for name in quantizer.cpu_nodes} == {"masked_fill"}


def test_the_variance_of_one_element_is_not_a_number() -> None:
    class Variance(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.var(x, dim=[1], correction=1)

    quantizer = SolveQuantizer(precision="8a8w")
    converted = calibrated(Variance(), torch.randn(3, 1, 5), quantizer=quantizer)
    assert bool(converted(torch.randn(3, 1, 5)).isnan().all())
    assert len(quantizer.cpu_nodes) == 1


def test_infinity_that_something_else_reads_is_refused() -> None:
    inputs = torch.randn(1, 8, 8), torch.ones(8, 8).triu(1).bool()
    with pytest.raises(UnsupportedGraphError, match="infinity"):
        prepare_pt2e(exported(Returned(then=True), *inputs), SolveQuantizer(precision="8a8w"))
