"""Masked is what a mask masks: huge numbers elsewhere, and low scores, keep what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.errors import UnsupportedGraphError, UsageError
from qnnsolve.rewriting.mask_copies import copy_masks
from qnnsolve.rewriting.masked_values import masked_from
from qnnsolve.rewriting.masking import masking

T = 8
LEAST = torch.finfo(torch.float32).min
FUTURE = torch.ones(1, T, T).triu(1).bool()
Samples = list[tuple[torch.Tensor, ...]]


class Net(nn.Module):
    """``function`` of the inputs; ``mask`` is a buffer of the model's own."""

    def __init__(self, function: Callable[..., Any], mask: torch.Tensor | None = None) -> None:
        super().__init__()
        self.function = function
        self.mask: torch.Tensor | None
        self.register_buffer("mask", mask)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs) if self.mask is None else self.function(*inputs, self.mask)


def causal(value: float, size: int = T) -> torch.Tensor:
    return torch.full((1, size, size), value).triu(1)


def scores(*more: torch.Tensor, factor: float = 3.0) -> Samples:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(1, T, T, generator=generator) * factor, *more) for _ in range(3)]


def distances(start: float, step: float) -> Samples:
    return [(torch.arange(float(T)) * step + start + sample[0] * step / 9,) for sample in scores()]


def low(offset: float | torch.Tensor, factor: float = 3.0) -> Samples:
    """Two inputs: one around ``offset``, the other around 0."""
    generator = torch.Generator().manual_seed(0)
    return [
        tuple(
            torch.randn(2, 1, T, T, generator=generator) * factor
            + torch.tensor([1.0, 0.0])[:, None, None, None] * offset
        )
        for _ in range(3)
    ]


def masked_all_over(value: float) -> Samples:
    """Scores with a mask; the second sample's hides everything."""
    return [
        (x, torch.full((1, 1, T), value) if index == 1 else causal(value)[:, 3:4])
        for index, (x,) in enumerate(scores())
    ]


def decibel(model: nn.Module, samples: Samples, precision: str) -> float:
    """Of the converted model against the float one, as a user of the library gets it."""
    graph = torch.export.export(model.eval(), samples[0]).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False, precision=precision))
    with torch.no_grad():
        for sample in samples:
            prepared(*sample)
        converted = convert_pt2e(prepared)
        exact = torch.cat([model(*sample).flatten().double() for sample in samples])
        found = torch.cat([converted(*sample).flatten().double() for sample in samples])
    return float(10 * torch.log10(exact.pow(2).mean() / (exact - found).pow(2).mean().clamp(min=1e-30)))


def by_hand(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    x = x.masked_fill(mask, -math.inf)
    weights = torch.exp(x - x.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


def softmax(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x, -1)


PADDED = torch.tensor([[1, 1, 1, 1, 1, 0, 0, 0]])
BEHIND = torch.tensor([0.0, 0, 0, 0, 0, *(-math.inf,) * 3]).reshape(1, 1, T)
STEPS = torch.tensor([4.0, 5, 4, 6, 0, 0, 0, 0])[:, None]
STEADY = -2000.0 / T * (torch.arange(T)[:, None] - torch.arange(T)[None]).abs().float()[None]

CASES: dict[str, tuple[nn.Module, Samples, float, float]] = {
    "a large factor": (Net(lambda x: x * 1e5), scores(), 80, 35),
    "a large offset": (Net(lambda x: x + 1e5), scores(), 80, 35),
    "a large choice": (Net(lambda x: torch.where(x > 0, x * 1e5, 1e5)), scores(), 80, 25),
    "a large buffer": (Net(lambda x, m: x * m, torch.full((T,), 1e5)), scores(), 80, 35),
    **{
        f"{name} of {huge:g}": (Net(function), scores(factor=0.7), wide, narrow)
        for huge in (1e31, 1e38)
        for name, function, wide, narrow in (
            ("a factor", lambda x, huge=huge: (x * huge).abs(), 75, 30),
            ("an offset", lambda x, huge=huge: (x * (huge / 3) + huge).abs(), 75, 30),
            ("a divisor", lambda x, huge=huge: (x * huge) / huge, 75, 30),
            ("a choice", lambda x, huge=huge: torch.where(x > 0, x, huge).abs(), 100, 15),
        )
    },
    "a hard softmax": (Net(lambda x: softmax(x * 1e5)), scores(factor=3e-5), 75, 30),
    "distances": (Net(lambda x: softmax(-(x**2))), distances(12.0, 2.0), 60, 20),
    "masked distances": (Net(lambda x: softmax((-(x**2)).masked_fill(FUTURE, -math.inf))), distances(40, 0.5), 45, 15),
    "distances and a mask": (Net(lambda x, m: softmax(m - x**2), causal(-math.inf)), distances(15, 0.5), 60, 20),
    "a steady bias": (Net(lambda x, m: softmax(x + m), STEADY), scores(), 75, 20),
    "a steady bias that is fed": (Net(lambda x, m: softmax(x + m)), scores(STEADY), 75, 20),
    "a bias and a mask": (Net(lambda x, m: softmax(x + m), STEADY / 20 + causal(LEAST)), scores(), 70, 25),
    "two masks": (Net(lambda x, m, n: softmax(x + (m + n)), causal(-math.inf)), scores(BEHIND), 75, 30),
    "the lower of two": (
        Net(lambda x, m, n: softmax(x + torch.minimum(m, n)), causal(LEAST)),
        scores(BEHIND),
        75,
        30,
    ),
    "by integers": (Net(lambda x, m: softmax(x + (1.0 - m[:, None].float()) * LEAST)), scores(PADDED), 75, 30),
    "by floats": (Net(lambda x, m: softmax(x + (1.0 - m[:, None]) * -1e9)), scores(PADDED.float()), 75, 30),
    "the other way round": (Net(lambda x, m: softmax(x + (m[:, None] - 1.0) * 1e9)), scores(PADDED.float()), 75, 30),
    "by logarithm": (Net(lambda x, m: softmax(x + m.log())), scores((~FUTURE).float()), 75, 30),
    "subtracted": (Net(lambda x, m: softmax(x - m)), scores(causal(math.inf)), 75, 30),
    "scaled after": (Net(lambda x, m: softmax((x + m) / 3.0)), scores(causal(-math.inf)), 70, 30),
    "filled and scaled": (Net(lambda x, m: softmax(x.masked_fill(m, -math.inf) * 0.3)), scores(FUTURE), 70, 30),
    "held above the least": (
        Net(lambda x, m: softmax(torch.clamp(x + m, min=LEAST))),
        scores(causal(-math.inf)),
        70,
        30,
    ),
    "joined": (
        Net(lambda x, m: softmax(torch.cat([x.masked_fill(m, -math.inf), x[:, :, :3] * 0.5], -1))),
        scores(FUTURE),
        70,
        28,
    ),
    "by hand": (Net(by_hand), scores(FUTURE), 70, 30),
    "log of a sum": (Net(lambda x, m: torch.logsumexp(x.masked_fill(m, -math.inf), -1)), scores(FUTURE), 70, 33),
    "logarithm and back": (
        Net(lambda x, m: torch.log_softmax(x.masked_fill(m, -math.inf), -1).exp()),
        scores(FUTURE),
        65,
        25,
    ),
    "the largest": (Net(lambda x, m: x.masked_fill(m, -math.inf).amax(-1)), scores(FUTURE), 80, 38),
    "the smallest": (Net(lambda x, m: x.masked_fill(m, math.inf).amin(-1)), scores(FUTURE), 80, 38),
    "where the largest is": (Net(lambda x, m: x.masked_fill(m, -math.inf).argmax(-1)), scores(FUTURE), 100, 5),
    "an offset": (Net(lambda x: softmax(x - 1000.0)), scores(factor=50.0), 60, 8),
    "an offset of many": (Net(lambda x: softmax(x + torch.full((T,), -2000.0))), scores(factor=50.0), 60, 5),
    "low scores that are fed": (Net(lambda x, y: softmax(x + y)), low(-2000.0), 35, 0),
    "low on either side": (Net(lambda x, y: softmax(x + y - 1000.0)), low(-5000.0), 30, 0),
    "high scores, subtracted": (Net(lambda x, y: softmax(y - x)), low(2000.0), 35, 0),
    "low rows": (Net(lambda x, y: softmax(x + y)), low(STEPS * -500.0), 35, 0),
    "by logarithms": (Net(lambda x, y: torch.log_softmax(x + y, -1).exp()), low(-2000.0), 35, 0),
    "the largest of low ones": (Net(lambda x, y: (x + y).amax(-1)), low(-3000.0, 300.0), 90, 40),
    "where the largest of them is": (Net(lambda x, y: (x + y).argmax(-1)), low(-3000.0, 300.0), 100, 3),
    "the smallest of high ones": (Net(lambda x, y: (x + y).amin(-1)), low(3000.0, 300.0), 90, 40),
    "pooled low ones": (Net(lambda x, y: torch.max_pool2d(x + y, 2)), low(-3000.0, 300.0), 90, 40),
    "hidden in low ones": (
        Net(lambda x, y: softmax((x + y).masked_fill(FUTURE, -1e9))),
        low(-2000.0),
        35,
        0,
    ),
    "a sample that is masked all over": (Net(lambda x, m: softmax(x + m)), masked_all_over(-1e9), 70, 30),
    "every sample masked all over": (Net(lambda x, m: softmax(x + m)), masked_all_over(-1e9)[1:2], 100, 30),
    "a mask with a bias that is fed": (Net(lambda x, m: softmax(x + m)), scores(STEADY / 20 + causal(-1e4)), 70, 25),
    "a mask and scores of thousands": (
        Net(lambda x, m: softmax((x + m) / 99)),
        scores(causal(-1e9), factor=300.0),
        75,
        25,
    ),
    "gates": (Net(lambda x, m: torch.sigmoid(x.masked_fill(m, -1e9))), scores(FUTURE), 80, 35),
}
"""By name: a model, its samples, and the decibel that it has at least at 16 and at 8 bits."""


@pytest.mark.parametrize("precision", ["16a8w", "8a8w"])
@pytest.mark.parametrize("name", CASES)
def test_huge_numbers_and_low_scores_come_out_right(name: str, precision: str) -> None:
    model, samples, wide, narrow = CASES[name]
    assert decibel(model, samples, precision) > (wide if precision == "16a8w" else narrow)


def softmax_and(reader: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    return lambda masked: (softmax(masked), reader(masked))


BOTH: dict[str, tuple[nn.Module, Samples]] = {
    "filled and returned": (
        Net(lambda x: softmax_and(lambda y: y)(x.masked_fill(x > 4, -1e9))), scores(),
    ),
    "added and summed": (Net(lambda x, m: softmax_and(lambda y: y.sum(-1))(x + m), causal(-1e9)), scores()),
    "chosen, moved and scaled": (
        Net(lambda x, k: softmax_and(lambda y: y * 1e-9)(torch.where(k, x, -1e9).transpose(1, 2))), scores(FUTURE),
    ),
    "multiplied": (Net(lambda x, k: softmax_and(lambda y: y)(x + (1.0 - k) * -1e4)), scores((~FUTURE).float())),
}  # fmt: skip


@pytest.mark.parametrize("precision", ["16a8w", "8a8w"])
@pytest.mark.parametrize("name", BOTH)
def test_a_softmax_reads_scores_of_its_own_where_others_see_the_mask(name: str, precision: str) -> None:
    model, samples = BOTH[name]
    first = Net(lambda *inputs: model(*inputs)[0])
    graph = torch.export.export(model.eval(), samples[0]).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False, precision=precision))
    with torch.no_grad():
        for sample in samples:
            prepared(*sample)
        converted = convert_pt2e(prepared)
        exact = torch.cat([first(*sample).flatten().double() for sample in samples])
        found = torch.cat([converted(*sample)[0].flatten().double() for sample in samples])
    noise = (exact - found).pow(2).mean()
    assert 10 * torch.log10(exact.pow(2).mean() / noise) > (70 if precision == "16a8w" else 28)


def test_masked_scores_that_only_softmaxes_read_are_not_copied() -> None:
    def function(x: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, ...]:
        masked = x.masked_fill(m, -1e9)
        return softmax(masked), masked.argmax(-1), x * 2.0

    graph = torch.export.export(Net(function), scores(FUTURE)[0]).module()
    assert isinstance(graph, torch.fx.GraphModule)
    before = len(graph.graph.nodes)
    assert len(copy_masks(graph).graph.nodes) == before


def logarithms(x: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(x.masked_fill(FUTURE, -math.inf), -1)


@pytest.mark.parametrize(
    ("function", "reader"),
    [
        (lambda x: torch.where(x > 0, x, math.inf).abs(), "where"),
        (lambda x: x.masked_fill(FUTURE, -math.inf).sort(-1)[0], "masked_fill"),
        (lambda x: torch.where(x > -math.inf, x, 0.0), "gt"),
        (logarithms, "masked_fill"),
        (lambda x: (lambda y: (torch.softmax(y, -1), y.abs()))(x.masked_fill(FUTURE, -math.inf)), "masked_fill"),
    ],
)
def test_an_infinity_that_nothing_hides_is_refused(function: Callable[[torch.Tensor], Any], reader: str) -> None:
    graph = torch.export.export(Net(function), scores()[0]).module()
    with pytest.raises(UnsupportedGraphError, match=f"node {reader}: {reader} reads infinity of .*no softmax"):
        prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False))


def test_the_least_float_stands_for_infinity() -> None:
    graph = torch.export.export(Net(lambda x: (x * LEAST).abs()), scores()[0]).module()
    with pytest.raises(UnsupportedGraphError, match=r"mul reads 3.40282e\+38, which stands for infinity, of"):
        prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False))


def test_half_precision_holds_no_large_number() -> None:
    graph = torch.export.export(Net(lambda x: (x * 1e5).abs()), scores()[0]).module()
    with pytest.raises(UnsupportedGraphError, match=r"reads 100000 of .*half precision ends at 65504"):
        prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False, precision="fp16a8w"))


def test_an_infinite_sample_is_refused_unless_it_is_a_mask() -> None:
    model = Net(lambda x, m: torch.softmax(x + m, -1))
    graph = torch.export.export(model, scores(causal(-math.inf))[0]).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", strict=False))
    prepared(*scores(causal(-math.inf))[0])
    with pytest.raises(UsageError, match="sample 1, input 'inputs_1': holds infinity"):
        prepared(scores()[0][0], causal(math.inf))
    prepared = prepare_pt2e(
        torch.export.export(Net(lambda x: x * 2.0), scores()[0]).module(),
        SolveQuantizer("htp", "SM8750", strict=False),
    )
    with pytest.raises(UsageError, match="sample 0, input 'inputs_0': holds infinity"):
        prepared(torch.full((1, T, T), -math.inf))


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        ([0.0, -1e4], -1e4),
        ([0.0, -600.0, -2100.0, -4900.0], -math.inf),  # falls off steadily
        ([0.0, -600.0, -2100.0, -4900.0, -1e5, -1.2e5], -1e5),
        ([5.0, -math.inf, LEAST], -1e37),
        ([-1e9, -1e9], -1e9),
        ([0.0, -900.0], -math.inf),
    ],
)
def test_a_mask_lies_apart_from_the_rest(values: list[float], largest: float) -> None:
    assert masked_from(torch.tensor(values), 1000.0) == pytest.approx(largest)


def test_a_graph_tells_where_masks_can_be() -> None:
    def function(x: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.softmax(x + m.unsqueeze(1), -1), x * 2.0

    graph = torch.export.export(Net(function), (torch.randn(1, T, T), torch.randn(1, T))).module()
    assert isinstance(graph, torch.fx.GraphModule)
    found = masking(graph)
    assert {node.name for node in found.hidden} == {"inputs_1", "unsqueeze", "add"}
    assert {node.name for node in found.levels} == {"inputs_1", "unsqueeze", "add"}
