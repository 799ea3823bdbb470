"""What the comparison of mixed-precision tools counts and how it tells it; the comparison itself takes hours."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.search import costs
from benchmarks.search.aimet import of_front
from benchmarks.search.budgets import against, budgets, within
from benchmarks.search.configs import Bench, Config, Point, Proposal
from benchmarks.search.greedy import greedy
from benchmarks.search.networks import Network
from benchmarks.search.ours import Search
from benchmarks.search.page import page
from benchmarks.search.tensors import everywhere
from qnnsolve.host.quiet import quiet


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
    return Bench(Network("encoder", Net().eval(), samples, samples, "nothing:nothing"))


@pytest.mark.parametrize(("precision", "products"), [("8a8w", 8 * 8), ("16a8w", 16 * 8), ("16a4w", 16 * 4)])
def test_bit_operations_are_multiplications_times_the_bits_of_both_operands(
    bench: Bench, precision: str, products: int
) -> None:
    assert bench.cost(Config(precision, precision)) == ((CONV + HEAD) * products, 0)


def test_the_estimate_counts_as_the_solved_config_does(bench: Bench) -> None:
    bits = everywhere(bench.graph, {"x": 8, "relu": 16, "linear": 16})
    assert costs.estimated(bench.products, bits) == CONV * 8 * 8 + HEAD * 16 * 8


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


def point(name: str, *noise: float) -> Point:
    return Point(name, 1, 0, -10 * math.log10(sum(noise)), 0.5, noise)


def test_what_lies_within_the_spread_of_halves_is_no_difference() -> None:
    noise = torch.rand(100, generator=torch.Generator().manual_seed(0)).tolist()
    alike, louder = point("alike", *reversed(noise)), point("louder", *(2 * each for each in noise))
    one = against(alike, point("tool", *noise))
    assert abs(one.ahead) < 1e-9 < 0.1 < one.repeats
    two = against(louder, point("tool", *noise))
    assert two.ahead == pytest.approx(-3.01, abs=0.01) and two.repeats < 1e-6
    assert "noise" not in two.point.record


def test_a_search_within_budgets_counts_each_pass(bench: Bench) -> None:
    samples, (low, high) = len(bench.network.calibration), (budgets(bench)[0], budgets(bench)[-1])
    with quiet():
        search = Search(bench)
        run = search.run([{"bit-ops": float(most), "converts": 0.0} for most in (0, low, high)])
        again = search.run([{"bit-ops": float(high), "converts": 0.0}])
        (wide,) = search.within([(high, 0)])
    assert [each is None for each in run.configs] == [True, False, False]
    assert search.prepared[0] == 2 * samples + samples * 5, "five numbers come out: as many directions"
    assert search.prepared[0] <= run.passes <= search.prepared[0] * 6 / 5
    assert run.measuring >= 2 * samples
    assert again.passes >= search.prepared[0], "as if for the first time"
    assert wide is not None and wide.bit_operations <= high


def test_the_page_tells_what_each_tool_has_per_budget() -> None:
    point = {"config": "uniform 8a8w", "bit_operations": 2_000_000, "converts": 3, "sqnr": 27.26, "metric": 0.985}
    beside = [{"ahead": ahead, "repeats": 0.05, "point": point} for ahead in (0.07, -0.01)]
    offer: dict[str, Any] = {"budget": 2_000_000, "point": point, "budgeted": beside[0], "equal": beside[1]}
    took = {"passes": 112, "seconds": 0.31, "measuring": 64}
    tools = {
        "one": {"passes": 1377, "seconds": 11.4, "details": "10 groups", "offers": [offer], "search": [took, took]},
        "two": {"passes": 1, "seconds": 0.1, "details": "", "offers": [], "search": [took, took]},
    }
    compiled: dict[str, Any] = {
        "bit_ops": 2e6,
        "converts": 3,
        "predicted_db": 30.0,
        "measured_db": 29.0,
        "emulator_db": 29.1,
    }
    compiled |= {"agrees": True, "delegates": 1, "cpu_ops": 1, "unannounced": []}
    differs = {**compiled, "agrees": False, "cpu_ops": 2, "unannounced": ["aten.foo"]}
    reached = {"name": "16a8w", "bit-ops": 2e6, "weights": 1e6, "activations": 3e6, "converts": 0, "db": 40.0}
    network = {
        "qnnsolve": "abc1234",
        "metric": "m:cnn_accuracy",
        "float_metric": 0.99,
        "repeatability": 0.4,
        "presets": [point],
        "tools": tools,
        "search": {
            **took,
            "prepared": [112, 0.25],
            "offers": [{"budget": 2_000_000, "point": point}],
            "held": {"configs": 5, "off_rms": 0.41, "off_worst": -1.2},
            "cheapest": point,
        },
        "front": {
            "qnnsolve": "def5678",
            "candidates": "8a8w,16a8w",
            "asked": 20,
            "samples": 2,
            "seconds": 100,
            "points": [compiled, differs],
            "targets": [{"axis": "bit-ops", "target": "m:x>=0.99", "points": [{**reached, "metric": 0.9912}]}],
        },
    }
    text = page({"networks": {"cnn": network}, "versions": {"torch": "2.13"}})
    assert "Measured at qnnsolve abc1234." in text and "--verify` (at def5678): each point" in text
    assert "| uniform 8a8w | 2.0 | 3 | 27.26 | 0.985 |" in text
    assert "cosine of 0.99: 2.0 million bit operations, 3 converts" in text
    assert "| one | 10 groups | 1,377 | 11.40 | 112 | 0.31 |" in text
    assert "| one | 1 | 1 | 0 | 0 | +0.07, +0.07, +0.07 | 0 | 0 | 0 | -0.01, -0.01, -0.01 |" in text
    assert "| 2.0 | 27.26 dB, 0.985, 3; +0.07 ± 0.05; -0.01 ± 0.05 | - |" in text
    assert "| 1 | 2.0 | 3 | 30.00 dB | 29.00 dB | 29.10 dB | 1 | 1, what the solve said |" in text
    assert "29.10 dB (differs) | 1 | 2, aten.foo |" in text
    assert "| 16a8w | 2.00 | 1.00 | 3.00 | 0 | 40.00 dB | 0.9912 |" in text
