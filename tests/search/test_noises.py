"""Seeing, sensitivities, and their sum, against what is measured."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.results import decibels
from qnnsolve.search.calibrating import Calibrated
from qnnsolve.search.measuring import Studied
from qnnsolve.search.noises import monotone, needed, noise_measure
from qnnsolve.search.sampling import Chosen
from qnnsolve.search.seeing import Seeing
from qnnsolve.search.sensitivity import Sensitivities, reference, sensitivities
from tests.nets import ConvNet, Masked, images, seeded
from tests.search.spaced import draws, ranges, spaced, studied


class Linears(nn.Module):
    """Two layers without anything between: an error passes them exactly as its gradient says."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 12), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x))
        return found


def sensed(of: Studied, found: Calibrated, directions: int) -> Sensitivities:
    keys = {key: found.roundings[key] for key in needed(of.space) if key in found.roundings}
    return sensitivities(of.model, of.samples, of.wanted, keys, directions=directions)


@pytest.fixture(scope="module")
def linears() -> tuple[Studied, Calibrated]:
    of = studied(seeded(Linears), draws(4, 2, 8))
    return of, ranges(of)


@pytest.fixture(scope="module")
def conv() -> tuple[Studied, Calibrated]:
    of = studied(seeded(ConvNet), images(6))
    return of, ranges(of)


def test_outputs_are_the_float_models(conv: tuple[Studied, Calibrated]) -> None:
    net = seeded(ConvNet)
    for sample, found in zip(conv[0].samples, conv[0].wanted.outputs, strict=True):
        torch.testing.assert_close(found["0"], net(*sample))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1, 4))
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.seen, torch.Tensor)
        self.seen.add_(self.layer(x))
        found: torch.Tensor = self.seen * 2.0
        return found


def test_states_keep_their_values_from_sample_to_sample_and_are_restored() -> None:
    samples = draws(3, 1, 4)
    net = seeded(Counting)
    graph, _ = spaced(seeded(Counting), samples[0])
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    found = reference(graph, samples, {})
    for sample, outputs in zip(samples, found.outputs, strict=True):
        torch.testing.assert_close(outputs["0"], net(*sample))
        torch.testing.assert_close(outputs["seen"], net.seen)
    for name, value in graph.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_is_written_in_place_is_no_callers_tensor() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu_(x * 2.0).add_(1.0)

    (sample,) = draws(1, 2, 4)
    graph = torch.export.export(InPlace(), sample).module()
    before = sample[0].clone()
    found = Seeing(graph, (), lambda _, x: x).outputs(sample)
    torch.testing.assert_close(found["0"], torch.relu(before * 2) + 1)
    assert torch.equal(sample[0], before)


def test_with_all_directions_a_sites_noise_is_what_rounding_it_alone_makes(linears: tuple[Studied, Calibrated]) -> None:
    of, found = linears
    noise = sensed(of, found, 100).noise
    tried = 0
    for (site, encoding), value in noise.items():
        if encoding.bits > 16:
            continue
        alone = of.simulated({site: found.roundings[site, encoding]})
        tried += 1
        assert abs(decibels(value) - decibels(alone)) < 0.3, f"{site} {encoding.name}"
    assert tried > 6


@pytest.mark.parametrize(("first", "looked_at"), [(2, 40), (20, 20)])
def test_more_samples_are_looked_at_where_few_leave_the_noise_unsure(first: int, looked_at: int) -> None:
    samples = draws(40, 1, 8)
    of = studied(seeded(Linears), samples)
    keys = {key: rounding for key, rounding in ranges(of).roundings.items() if key in needed(of.space)}
    chosen = Chosen(tuple(range(first)), tuple(range(first, 40)))
    found = sensitivities(of.model, samples, of.wanted, keys, directions=100, chosen=chosen)
    assert found.forwards == looked_at and found.planned == 4 * looked_at, "three numbers come out: as many directions"
    if looked_at == len(samples):
        assert found.noise == sensitivities(of.model, samples, of.wanted, keys, directions=100).noise


def test_it_ranks_as_measuring_does(conv: tuple[Studied, Calibrated]) -> None:
    of, found = conv
    noise = sensed(of, found, 8).noise
    keys = [key for key, value in noise.items() if value > 0 and key[1].bits == 8]
    ranks = []
    for values in ([noise[key] for key in keys], [of.simulated({k[0]: found.roundings[k]}) for k in keys]):
        ranks.append(torch.tensor(values).argsort().argsort().double())
    assert len(keys) > 4
    assert float(torch.corrcoef(torch.stack(ranks))[0, 1]) >= 0.99


def test_it_is_the_same_each_time(conv: tuple[Studied, Calibrated]) -> None:
    assert sensed(*conv, 4).noise == sensed(*conv, 4).noise


def test_the_sum_predicts_the_uniform_configs(conv: tuple[Studied, Calibrated]) -> None:
    of, found = conv
    noise, _ = monotone(sensed(of, found, 8).noise)
    measure = noise_measure(of.space, noise)
    for uniform in of.space.uniforms:
        measured = of.measured(found.converted[uniform.name]).noise
        assert abs(decibels(measure.of(uniform.solution.encodings)) - decibels(measured)) < 1.5, uniform.name


def test_wider_is_never_noisier_once_made_monotone(conv: tuple[Studied, Calibrated]) -> None:
    noise = sensed(*conv, 1).noise
    found, _ = monotone(noise)
    assert set(found) == set(noise)
    for (site, encoding), value in found.items():
        assert all(value <= found[s, e] for s, e in found if s == site and e.bits < encoding.bits)
    assert monotone(found) == (found, 0)


def test_what_has_a_fixed_range_gets_one_in_encodings_that_no_candidate_has_there() -> None:
    """A product's second factor may have 8 bits beside 16; that of a softmax's output has no observed range."""

    class Gated(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ torch.sigmoid(x.transpose(1, 2))

    of = studied(Gated().eval(), draws(2, 1, 4, 4), ("16a8w", "16a4w"))
    found = ranges(of)
    missing = [key for key in needed(of.space) if key not in found.roundings]
    assert not missing
    fixed = [key for key in found.roundings if "sigm" in key[0].node and key[1].bits == 8 and key[1].scale is None]
    assert fixed
    for key in fixed:
        values = torch.tensor([0.0, 0.25, 1.0])
        assert torch.allclose(found.roundings[key](values), values, atol=1 / 255)


def test_masks_give_numbers() -> None:
    class Infinite(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = x @ x.transpose(1, 2)
            below = torch.ones(4, 4, dtype=torch.bool).triu(1)
            return torch.softmax(scores.masked_fill(below, -math.inf), -1) @ x

    for net, samples in (
        (Infinite(), draws(2, 1, 4, 8)),
        (Masked(), [(x, torch.tensor([[1.0, 1, 1, 0]])) for (x,) in draws(2, 1, 4, 8)]),
    ):
        of = studied(net, samples)
        noise = sensed(of, ranges(of), 4).noise
        assert noise
        assert all(math.isfinite(value) for value in noise.values())


def test_what_no_gradient_reaches_is_blind() -> None:
    class Rounds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(8, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(torch.round(self.layer(x) * 3.0))
            return found

    of = studied(seeded(Rounds), draws(2, 2, 8))
    blind = {site.node for site in sensed(of, ranges(of), 4).blind}
    assert {"x", "linear"} & blind
    assert "linear_1" not in blind


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.one(x), self.other(x)


def test_an_output_counts_by_its_weight() -> None:
    samples = draws(2, 2, 8)
    graph, space = spaced(seeded(Two), samples[0])
    found: dict[str, dict[Any, float]] = {}
    roundings = None
    for name, weights in {"even": {}, "one": {"1": 0.0}, "third": {"0": 1.0, "1": 2.0}}.items():
        of = Studied(graph, space, samples, reference(graph, samples, weights))
        roundings = roundings or ranges(of)
        found[name] = {(s.node, s.user, e): v for (s, e), v in sensed(of, roundings, 100).noise.items()}
    for key, even in found["even"].items():
        if key[0] == "linear":
            assert found["one"][key] == pytest.approx(2 * even)
            assert found["third"][key] == pytest.approx(2 / 3 * even)
        if key[0] == "linear_1":
            assert found["one"][key] == 0
            assert found["third"][key] == pytest.approx(4 / 3 * even)
