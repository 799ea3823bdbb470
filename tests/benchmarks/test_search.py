"""What the comparison of mixed-precision tools counts and how it tells it; the comparison itself takes hours."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.search import costs
from benchmarks.search.aimet import of_front
from benchmarks.search.budgets import budgets, within
from benchmarks.search.configs import Bench, Config, Proposal
from benchmarks.search.greedy import greedy
from benchmarks.search.networks import Network
from benchmarks.search.page import page
from benchmarks.search.tensors import everywhere


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.act(self.conv(x)).flatten(1))
        return logits


CONV, HEAD = 4 * 2 * 2 * 27, 5 * 16
"""Multiplications of the two."""


@pytest.fixture(scope="module")
def bench() -> Bench:
    samples = [(torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed)),) for seed in range(2)]
    return Bench(Network("net", Net().eval(), samples, samples, "nothing:nothing"))


@pytest.mark.parametrize(("precision", "products"), [("8a8w", 8 * 8), ("16a8w", 16 * 8), ("16a4w", 16 * 4)])
def test_bit_operations_are_multiplications_times_the_bits_of_both_operands(
    bench: Bench, precision: str, products: int
) -> None:
    assert bench.cost(Config(precision, precision)) == ((CONV + HEAD) * products, 0)


def test_the_estimate_counts_as_the_solved_config_does(bench: Bench) -> None:
    bits = everywhere(bench.graph, {"x": 8, "relu": 16, "linear": 16})
    assert costs.estimated(bench.graph, bits) == CONV * 8 * 8 + HEAD * 16 * 8


def test_a_move_is_as_wide_as_what_it_reads_and_a_convolution_as_the_activation_function_behind_it(
    bench: Bench,
) -> None:
    bits = everywhere(bench.graph, {"x": 8, "relu": 16, "linear": 8})
    assert bits == {"x": 8, "conv2d": 16, "relu": 16, "flatten": 16, "linear": 8, "output": 8}


def test_aimets_front_ends_where_everything_is_narrow(bench: Bench) -> None:
    groups = [
        [["input", "conv2d_input_quantizer_idx_0"]],
        [["output", "relu"], ["weight", "linear"]],
        [["output", "linear"]],
    ]
    front = [{"bits": 8, "score": 30.0 - index, "group": group} for index, group in enumerate(groups)]
    configs = list(of_front(bench.graph, front))
    costly, mixed, cheap = (CONV + HEAD) * 16 * 8, CONV * 8 * 8 + HEAD * 16 * 8, (CONV + HEAD) * 8 * 8
    # A convolution from 8 to 16 bits is not legal: that of the second config stays wide.
    assert [bench.cost(each)[0] for each in configs] == [costly, costly, mixed, cheap]
    assert bench.solved(configs[-1]).encodings == bench.solved(Config("8a8w")).encodings


def test_greedy_widens_first_what_costs_least_for_the_noise_it_saves(bench: Bench) -> None:
    found = list(greedy(bench, {"x": 1.0, "relu": 1.0}))
    assert [each.name for each in found] == ["greedy 0", "greedy 1: relu", "greedy 2: x"]
    assert bench.cost(found[-1]) == ((CONV + HEAD) * 16 * 8, 0)


def test_a_tool_offers_what_it_holds_best_within_a_budget(bench: Bench) -> None:
    narrow, wide = Config("narrow", "8a8w", merit=1), Config("wide", "16a8w", merit=2)
    low, *_, high = budgets(bench)
    proposal = Proposal("tool", (narrow, wide), 0, 0.0)
    assert [within(bench, proposal, each) for each in (low - 1, low, high - 1, high)] == [None, narrow, narrow, wide]


def test_the_page_tells_what_each_tool_has_per_budget() -> None:
    point = {"config": "uniform 8a8w", "bit_operations": 2_000_000, "converts": 3, "sqnr": 27.26, "metric": 0.985}
    offer: dict[str, Any] = {"tool": "one", "budget": 2_000_000, "point": point, "ours": None}
    tools = {
        "one": {"passes": 1377, "seconds": 11.4, "details": "10 groups", "offers": [offer]},
        "two": {"passes": 1, "seconds": 0.1, "details": "", "offers": []},
    }
    network = {
        "metric": "m:cnn_accuracy",
        "float_metric": 0.99,
        "repeatability": 0.4,
        "presets": [point],
        "tools": tools,
        "search": {
            "passes": 256,
            "seconds": 1.5,
            "details": "5 configs, converts free",
            "offers": [{"budget": 2_000_000, "point": point}],
            "held": {"configs": 5, "off_rms": 0.41, "off_worst": -1.2, "tried_off_worst": 0.1},
            "cheapest": point,
        },
    }
    text = page({"networks": {"cnn": network}, "versions": {"torch": "2.13"}})
    assert "| uniform 8a8w | 2.0 | 3 | 27.26 | 0.985 |" in text
    assert "| **search** | 256 | 1.5 | 5 configs, converts free |" in text
    assert "cosine of 0.99: 2.0 million bit operations, 3 converts" in text
    assert "| one | 1,377 | 11.4 | 10 groups |" in text
    assert "| 2.0 | 27.26 dB, 0.985, 3 | - |" in text
