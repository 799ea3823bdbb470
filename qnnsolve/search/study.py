"""The steps of a search over a transformed graph: calibrate, differentiate, solve, measure. :func:`study`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.explain import describe
from qnnsolve.host.stages import Stages
from qnnsolve.recipes.chosen import chosen
from qnnsolve.recipes.writing import write_recipe
from qnnsolve.results import SearchPoint, SearchResult, SensitivityRecord, UniformRecord, decibels
from qnnsolve.runs import Solved
from qnnsolve.search.budgets import Target
from qnnsolve.search.front import Found, Front
from qnnsolve.search.keeping import Ledger, Memory
from qnnsolve.search.ledgers import Measuring, kept_ranges
from qnnsolve.search.measuring import Measured, Metric, Studied
from qnnsolve.search.noises import NOISE, monotone, needed
from qnnsolve.search.sensitivity import DIRECTIONS, Sensitivities, reference, sensitivities
from qnnsolve.search.spaces import Space, pinned_to, solved_with
from qnnsolve.solver import Limits

__all__ = ["Answer", "Asked", "study"]

Config = Mapping[Site, Encoding]
Sample = tuple[Any, ...]


@attrs.frozen(eq=False)
class Asked:
    """What is asked of a search: a front of ``points`` along the cost ``axis`` within ``budgets``, or the cheapest
    config that reaches ``target``."""

    axis: str
    points: int
    budgets: Mapping[str, float]
    target: Target | None
    weights: Mapping[int, float]
    directions: int | None
    metric: Metric | None
    measure: bool


@attrs.frozen(eq=False)
class Answer:
    """What a search found, and the config of each point."""

    space: Space
    result: SearchResult
    configs: tuple[Config, ...]

    def solved(self, soc: str, limits: Limits) -> Solved:
        """The last point as a solve that can be kept."""
        facts, problem = self.space.facts, pinned_to(self.space, self.configs[-1])
        solution = solved_with(self.space, self.configs[-1], limits)
        return Solved(facts, problem, solution, describe(facts, problem, solution, soc=soc, timings=()), limits)

    def write_recipes(self, folder: Path) -> None:
        """A recipe per point: ``point-1.yaml`` and so on."""
        folder.mkdir(exist_ok=True)
        for number, (point, config) in enumerate(zip(self.result.points, self.configs, strict=True), 1):
            about = {"search": f"point {number}: {point.predicted_db:.2f} dB predicted"}
            write_recipe(folder / f"point-{number}.yaml", chosen(self.space.facts, config, about))


def study(
    model: GraphModule,
    space: Space,
    samples: Sequence[Sample],
    asked: Asked,
    limits: Limits,
    stages: Stages,
    ledger: Ledger | None = None,
) -> Answer:
    """What is best. What is in ``ledger`` is not measured again, and what is measured is put there as it comes."""
    ledger, weights = ledger or Memory(), {str(place): weight for place, weight in asked.weights.items()}
    with stages("reference"):
        wanted = reference(model, samples, weights)
    studied = Studied(model, space, samples, wanted, asked.metric)
    measuring = Measuring(studied, ledger)
    ranges = kept_ranges(measuring, stages)
    keys = {key: ranges.roundings[key] for key in needed(space) if key in ranges.roundings}
    directions = asked.directions or DIRECTIONS
    found = sensitivities(model, samples, wanted, keys, directions=directions, stages=stages, ledger=ledger)
    noise, changed = monotone(_with_blind(measuring, ranges.roundings, found))
    front = Front.of(space, noise, limits)
    with stages("optimum", asked.points):
        points = _points(front, asked, limits, stages)
    uniforms = ranges.converted
    measured = _measured(measuring, points, stages) if asked.measure else {}
    kept = [_kept(point, points, front, uniforms, measured) for point in points]
    result = SearchResult(
        soc=space.facts.operators.arch,
        candidates=space.candidates.names,
        samples=len(samples),
        directions=directions,
        points=tuple(_compared(kept)),
        uniforms=tuple(_uniforms(front, uniforms)),
        sensitivities=tuple(_records(space, noise)),
        passes={
            "forward": len(samples) + ranges.passes + found.forwards + measuring.simulations,
            "backward": found.backwards,
            "measuring": measuring.passes,
        },
        notes=tuple(_notes(found, changed)),
        timings=(),
        axis=asked.axis,
        target_db=None if asked.target is None else asked.target.sqnr_db,
    )
    return Answer(space, result, tuple(config for _, config in kept))


def _with_blind(
    measuring: Measuring, roundings: Mapping[tuple[Site, Encoding], Any], found: Sensitivities
) -> dict[tuple[Site, Encoding], float]:
    """The noise of every encoding; that of sites which no gradient reaches is measured: a forward pass each."""
    return {
        (site, encoding): measuring.alone(site, encoding, roundings) if site in found.blind else value
        for (site, encoding), value in found.noise.items()
    }


def _uniforms(front: Front, measured: Mapping[str, Measured]) -> list[UniformRecord]:
    return [
        UniformRecord(
            each.name,
            _amounts(front, each.solution.encodings),
            decibels(front.program.measures[NOISE].of(each.solution.encodings)),
            decibels(measured[each.name].noise),
            measured[each.name].metric,
        )
        for each in front.space.uniforms
    ]


def _points(front: Front, asked: Asked, limits: Limits, stages: Stages) -> list[Found]:
    if asked.target is not None:
        found = [front.cheapest(asked.axis, asked.target, asked.budgets, limits)]
    else:
        found = []
        for done, budgets in enumerate(front.axis(asked.axis, asked.points, asked.budgets, limits)):
            stages.step("optimum", done, asked.points)
            found.append(front.best(budgets, limits))
    return [each for each in found if each is not None]


def _measured(measuring: Measuring, points: Sequence[Found], stages: Stages) -> dict[int, Measured]:
    """By point, what its converted model measures."""
    found: dict[int, Measured] = {}
    with stages("measure", len(points)):
        for index, point in enumerate(points):
            stages.step("measure", index, len(points))
            found[index] = measuring.of(point.encodings)
    return found


def _kept(
    point: Found,
    points: Sequence[Found],
    front: Front,
    uniforms: Mapping[str, Measured],
    measured: Mapping[int, Measured],
) -> tuple[SearchPoint, Config]:
    """What a user gets for a point's budgets: its config, or another one within them that measured better."""
    index = points.index(point)
    config, name, own = point.encodings, "optimum", measured.get(index)
    others = [(f"point {at + 1}", points[at].encodings, each) for at, each in measured.items()]
    others += [(each.name, each.solution.encodings, uniforms[each.name]) for each in front.space.uniforms]
    for other, encodings, value in others if own is not None else ():
        amounts = _amounts(front, encodings)
        fits = all(amounts[cost] <= most * (1 + 1e-9) for cost, most in point.budgets.items() if cost != NOISE)
        if own is not None and fits and _better(value, own):
            config, name, own = encodings, other, value
    amounts = _amounts(front, config)
    record = SearchPoint(
        budgets={cost: most for cost, most in point.budgets.items() if cost != NOISE},
        amounts=amounts,
        predicted_db=decibels(front.program.measures[NOISE].of(config)),
        bound_db=decibels(point.best.bound) if NOISE not in point.budgets else point.predicted_db,
        gap=point.best.gap,
        prices={
            cost: _decibels_per_percent(point, cost, price)
            for cost, price in point.best.prices.items()
            if cost != NOISE
        },
        how=point.best.how,
        measured_db=None if own is None else decibels(own.noise),
        metric=None if own is None else own.metric,
        found_as=name,
    )
    return record, config


def _compared(kept: Sequence[tuple[SearchPoint, Config]]) -> Iterator[SearchPoint]:
    """Each point, with what its config has otherwise than that of the last, which is kept."""
    for point, config in kept:
        last = kept[-1][1]
        differs = ((str(site), encoding.name) for site, encoding in sorted(config.items()) if last[site] != encoding)
        yield attrs.evolve(point, differs=tuple(differs))


def _better(one: Measured, other: Measured) -> bool:
    if one.metric is not None and other.metric is not None and one.metric != other.metric:
        return one.metric > other.metric
    return one.noise < other.noise


def _decibels_per_percent(point: Found, cost: str, price: float) -> float:
    """By how much the SQNR rises for one percent more of a budget, by its price in noise."""
    noise = point.best.amounts[NOISE]
    return 0.0 if noise <= 0 else 4.342944819 * price * point.budgets[cost] * 0.01 / noise


def _amounts(front: Front, config: Config) -> dict[str, float]:
    return {name: measure.of(config) for name, measure in front.program.measures.items() if name != NOISE}


def _records(space: Space, noise: Mapping[tuple[Site, Encoding], float]) -> list[SensitivityRecord]:
    found = [
        SensitivityRecord(str(site), encoding.name, value, decibels(value))
        for (site, encoding), value in noise.items()
        if len(space.choices[site]) > 1
    ]
    return sorted(found, key=lambda each: (-each.noise, each.site, each.encoding))


def _notes(found: Sensitivities, changed: int) -> list[str]:
    notes = []
    if found.blind:
        names = ", ".join(map(str, found.blind[:3])) + (" ..." if len(found.blind) > 3 else "")
        notes.append(f"no gradient reaches {len(found.blind)} sites ({names}): their noise was measured one by one")
    if changed:
        notes.append(
            f"{changed} noise values of a wider encoding were above those of a narrower one, and were evened out"
        )
    return notes
