"""What a point gets: configs that do better when they are run, alternatives, and the cheapest for a target."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch

from qnnsolve import search_config
from qnnsolve.errors import UsageError
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.results import SearchPoint, SearchResult, decibels
from qnnsolve.search.budgets import QualityTarget
from qnnsolve.search.front import Front
from qnnsolve.search.judging import Judge
from qnnsolve.search.keeping import Memory, named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.noises import monotone, needed, varied
from qnnsolve.search.origins import Roundings
from qnnsolve.search.picking import alternatives, distinct, measured_best
from qnnsolve.search.reaching import reached
from qnnsolve.search.sampling import directions_for
from qnnsolve.search.sensitivity import sensitivities
from qnnsolve.search.trying import Trials, tried
from qnnsolve.solver import BudgetProgram, Limits
from tests.nets import Attention, ConvNet, images, seeded
from tests.search.spaced import draws, ranges, studied

SAMPLES = draws(4, 1, 4, 16)


class Ready:
    """A net, its samples, and all that a search knows before it picks."""

    def __init__(self) -> None:
        self.studied = studied(seeded(Attention), SAMPLES)
        self.ranges = ranges(self.studied)
        space, found = self.studied.space, self.ranges.roundings
        keys = {key: found[key] for key in needed(space) if key in found}
        noise = sensitivities(self.studied.model, SAMPLES, self.studied.wanted, keys, directions=2).noise
        self.front = Front.of(space, monotone(noise)[0])
        budgets = self.front.axis("bit-ops", 4, {"converts": 2.0}, Limits())
        self.points = [each for each in (self.front.best(most, Limits()) for most in budgets) if each is not None]


@pytest.fixture(scope="module")
def ready() -> Ready:
    return Ready()


def trials(ready: Ready, passes: int) -> Trials:
    return Trials(ready.front, Measuring(ready.studied, Memory()), ready.ranges.roundings, passes)


def test_a_pick_is_within_its_budgets_and_no_worse_in_a_trial_than_the_optimum(ready: Ready) -> None:
    enough, picking = ready.studied.enough, trials(ready, 1000)
    picks = tried(picking, ready.points, Limits(), Stages())
    run = picking.measuring.trials
    assert run and run % enough == 0
    for pick, point in zip(picks, ready.points, strict=True):
        assert pick.found is point and ready.front.fits(pick.config, point.budgets)
        if pick.found_as == "near-optimal":
            own, taken = (
                picking.measuring.trial(picking.rounds(each), ready.ranges.roundings, enough)
                for each in (point.encodings, pick.config)
            )
            assert picking.judge.more(pick.config, point.encodings, taken, own) < 0
    assert picking.measuring.trials == run, "each is run once"
    assert any(pick.found_as == "near-optimal" for pick in picks), "or nothing was tested"


@pytest.mark.parametrize("passes", [0, 7, 20])
def test_trials_take_no_more_passes_than_they_may(ready: Ready, passes: int) -> None:
    picking = trials(ready, passes)
    picks = tried(picking, ready.points, Limits(), Stages())
    assert picking.measuring.trials <= passes
    if not passes:
        assert all(pick.found_as == "optimum" for pick in picks)


def test_what_is_best_within_looser_budgets_is_not_asked_for_again(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, asked, least = attrs.evolve(ready.front), list[object](), BudgetProgram.least

    def counted(*args: Any, **more: Any) -> Any:
        asked.append(args)
        return least(*args, **more)

    monkeypatch.setattr(BudgetProgram, "least", counted)
    loose = front.best({"bit-ops": 1e12}, Limits())
    assert loose is not None and len(asked) == 1
    exact = front.best({"bit-ops": loose.best.amounts["bit-ops"], "converts": 1000.0}, Limits())
    assert exact is not None and exact.encodings == loose.encodings and len(asked) == 1
    front.best({"bit-ops": loose.best.amounts["bit-ops"] * 0.9}, Limits())
    assert len(asked) == 2, "that it does not fit"
    front.best({}, Limits())
    assert len(asked) == 3, "what is looser was not asked yet"


def test_a_trial_is_what_the_converted_model_measures(ready: Ready) -> None:
    """Up to half a decibel: ranges of groups that a convert splits, and biases, are not simulated."""
    measuring, places = Measuring(ready.studied, Memory()), Roundings.of(ready.studied.space)
    for point in ready.points:
        found = measuring.trial(places.in_(point.encodings), ready.ranges.roundings, len(SAMPLES))
        with quiet():
            noise = measuring.of(point.encodings).noise
        assert 0.9 < sum(found) / len(SAMPLES) / noise < 1.1


def test_what_is_best_by_prediction_and_measurement_within_the_budgets_is_taken(ready: Ready) -> None:
    measuring = Measuring(ready.studied, Memory())
    with quiet():
        uniforms = {each.name: measuring.of(each.solution.encodings) for each in ready.studied.space.uniforms}
        picks = tried(trials(ready, 100), ready.points, Limits(), Stages())
        best = measured_best(ready.front, picks, uniforms, measuring, Stages())
    judge = Judge(ready.front)
    for pick in best:
        assert pick.measured == measuring.of(pick.config)
        others = [each.config for each in picks] + [each.solution.encodings for each in ready.studied.space.uniforms]
        fitting = [each for each in others if ready.front.fits(each, pick.found.budgets)]
        assert pick.measured is not None
        for each in fitting:
            assert judge.more(each, pick.config, measuring.of(each).each, pick.measured.each) >= -1e-9
    assert len([*distinct([*best, best[-1]])]) == len([*distinct(best)])


def test_alternatives_differ_and_are_the_next_best(ready: Ready) -> None:
    places = Roundings.of(ready.studied.space)
    (point,) = ready.points[1:2]
    found = [*alternatives(ready.front, [point], 3, Limits(), Stages())]
    assert [each.found_as for each in found] == ["optimum", *["alternative"] * 3]
    assert len({places.in_(each.config) for each in found}) == 4
    assert all(ready.front.fits(each.config, point.budgets) for each in found)
    noise = [ready.front.noise_of(each.config) for each in found]
    assert all(one <= other * 1.03 for one, other in itertools.pairwise(noise))
    assert named(found[0].config) == named(point.encodings)


def test_guesses_vary_sites_and_keep_the_order_of_their_encodings(ready: Ready) -> None:
    noise = {key: float(number) for number, key in enumerate(needed(ready.studied.space), 1)}
    one, again, other = varied(noise, 1), varied(dict(reversed(noise.items())), 1), varied(noise, 2)
    assert one == again != other
    factors: dict[Any, set[float]] = {}
    for (site, encoding), value in one.items():
        factors.setdefault(site, set()).add(round(value / noise[site, encoding], 9))
    assert all(len(each) == 1 for each in factors.values()) and len({min(each) for each in factors.values()}) > 1


def test_many_samples_need_fewer_directions() -> None:
    assert [directions_for(count) for count in (1, 8, 9, 16, 64, 1000)] == [8, 8, 8, 4, 4, 4]


def minus_error(model: Any) -> float:
    """How near a converted model is to the float one: 0 is best."""
    with torch.no_grad():
        return -float(sum((model(*each) - FLOAT(*each)).abs().mean() for each in PICTURES))


PICTURES, FLOAT = images(2), seeded(ConvNet)


def searched(**settings: Any) -> SearchResult:
    net = seeded(ConvNet)
    return search_config(net, PICTURES[0], calibration=PICTURES, directions=2, **{"axis": "weights"} | settings)


def test_the_cheapest_config_that_measures_a_target_is_found() -> None:
    candidates = ("8a8w", "16a8w", "16a4w")
    front = searched(points=6, candidates=candidates, metric=minus_error)
    worst, best = (pick(each.metric for each in front.uniforms if each.metric is not None) for pick in (min, max))
    metric = f"tests.search.test_picking:minus_error>={(worst + best) / 2}"
    values: dict[str, Callable[[SearchPoint], float]] = {
        metric: lambda point: point.metric or 0.0,
        "sqnr>=24": lambda point: point.measured_db or 0.0,
    }
    for target, value in values.items():
        found = searched(target=target, candidates=candidates)
        assert found.target is not None and found.target.reached
        assert value(found.points[0]) >= found.target.least
        enough = [each for each in front.points if value(each) >= found.target.least]
        assert enough, "or nothing was tested"
        assert found.points[0].amounts["weights"] <= min(each.amounts["weights"] for each in enough) * 1.1


def test_a_target_tries_near_optimal_configs_that_are_cheaper(ready: Ready) -> None:
    measuring, front = Measuring(ready.studied, Memory()), attrs.evolve(ready.front)
    with quiet():
        uniforms = {each.name: measuring.of(each.solution.encodings) for each in front.space.uniforms}
        most = max(decibels(each.noise) for each in uniforms.values())
        found = reached(front, "bit-ops", QualityTarget("sqnr", most - 6), {}, uniforms, measuring, Limits(), Stages())
    assert found is not None and found.reached
    places = Roundings.of(front.space)
    asked = {named(config) for config in front.nearly({"bit-ops": 1e12}, Limits())}
    assert asked, "guesses give configs"
    cost = front.costs_of(found.pick.config)["bit-ops"]
    cheaper = front.nearly({"bit-ops": cost * 0.99}, Limits())
    measured = [each for each in cheaper if measuring.ledger.get("config", named(each)) is not None]
    assert len(measured) == len(cheaper), "each of those that are cheaper still was measured, and does not reach it"
    for config in cheaper:
        assert decibels(measuring.of(config).noise) < most - 6 or places.in_(config) == places.in_(found.pick.config)


def test_what_nothing_measures_is_said() -> None:
    found = searched(target="sqnr>=500")
    assert found.target is not None and found.target.reached is False
    assert found.points[0].measured_db is not None
    assert found.points[0].measured_db >= max(each.measured_db for each in found.uniforms)


def test_a_target_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="another metric"):
        searched(target="tests.search.test_picking:minus_error>=-1", metric="math:sqrt")
    with pytest.raises(UsageError, match="has to be measured"):
        searched(target="tests.search.test_picking:minus_error>=-1", measure=False)
    with pytest.raises(UsageError, match="not with a target"):
        searched(target="sqnr>=3", alternatives=2)
