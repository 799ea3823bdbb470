"""The steps of a search over a transformed graph: calibrate, differentiate, solve, measure. :func:`study`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.recipes.chosen import chosen
from qnnsolve.recipes.writing import write_recipe
from qnnsolve.results import SearchPoint, SearchResult, SensitivityRecord, UniformRecord, decibels
from qnnsolve.search.budgets import Target
from qnnsolve.search.calibrating import Calibrated, calibrated
from qnnsolve.search.front import Found, Front
from qnnsolve.search.measuring import Measured, Metric, Studied
from qnnsolve.search.noises import NOISE, monotone, needed
from qnnsolve.search.sensitivity import DIRECTIONS, Sensitivities, reference, sensitivities
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Limits

__all__ = ["Asked", "study"]

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


def study(
    model: GraphModule, space: Space, samples: Sequence[Sample], asked: Asked, limits: Limits, stages: Stages
) -> tuple[SearchResult, Callable[[Path], None]]:
    """The answer, and what writes a recipe per point into a folder."""
    with stages("reference"):
        wanted = reference(model, samples, {str(place): weight for place, weight in asked.weights.items()})
    ranges = calibrated(model, space, samples, stages)
    studied = Studied(model, space, samples, wanted, asked.metric)
    keys = {key: ranges.roundings[key] for key in needed(space) if key in ranges.roundings}
    found = sensitivities(model, samples, wanted, keys, directions=asked.directions or DIRECTIONS, stages=stages)
    noise, seen = _with_blind(studied, ranges, found)
    noise, changed = monotone(noise)
    front = Front.of(space, noise, limits)
    with stages("optimum", asked.points):
        points = _points(front, asked, limits, stages)
    uniforms = {each.name: studied.measured(ranges.converted[each.name]) for each in space.uniforms}
    measured = _measured(studied, points, front, uniforms, stages) if asked.measure else {}
    kept = [_kept(point, points, front, uniforms, measured) for point in points]
    count = len(samples)
    result = SearchResult(
        soc=space.facts.operators.arch,
        candidates=space.candidates.names,
        samples=count,
        directions=asked.directions or DIRECTIONS,
        points=tuple(record for record, _ in kept),
        uniforms=tuple(
            UniformRecord(
                each.name,
                _amounts(front, each.solution.encodings),
                decibels(front.program.measures[NOISE].of(each.solution.encodings)),
                decibels(uniforms[each.name].noise),
                uniforms[each.name].metric,
            )
            for each in space.uniforms
        ),
        sensitivities=tuple(_records(space, noise)),
        passes={
            "forward": count + ranges.passes + found.forwards + seen,
            "backward": found.backwards,
            "measuring": 2 * count * len(measured) + count * len(uniforms),
        },
        notes=tuple(_notes(found, changed)),
        timings=(),
    )

    def recipes(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for number, (record, config) in enumerate(kept, 1):
            about = {"search": f"point {number}: {record.predicted_db:.2f} dB predicted"}
            write_recipe(folder / f"point-{number}.yaml", chosen(space.facts, config, about))

    return result, recipes


def _with_blind(
    studied: Studied, ranges: Calibrated, found: Sensitivities
) -> tuple[dict[tuple[Site, Encoding], float], int]:
    """The noise of every encoding; that of sites which no gradient reaches is measured: a forward pass each."""
    noise, passes = dict(found.noise), 0
    for site, encoding in found.noise:
        if site in found.blind:
            noise[site, encoding] = studied.simulated(ranges, {site: encoding})
            passes += len(studied.samples)
    return noise, passes


def _points(front: Front, asked: Asked, limits: Limits, stages: Stages) -> list[Found]:
    if asked.target is not None:
        found = [front.cheapest(asked.axis, asked.target, asked.budgets, limits)]
    else:
        found = []
        for done, budgets in enumerate(front.axis(asked.axis, asked.points, asked.budgets, limits)):
            stages.step("optimum", done, asked.points)
            found.append(front.best(budgets, limits))
    return [each for each in found if each is not None]


def _measured(
    studied: Studied, points: Sequence[Found], front: Front, uniforms: Mapping[str, Measured], stages: Stages
) -> dict[int, Measured]:
    """By point, what its converted model measures; one of the same encodings as an earlier one is not made again."""
    known: dict[tuple[Encoding, ...], Measured] = {
        tuple(each.solution.encodings[site] for site in front.space.choices): uniforms[each.name]
        for each in front.space.uniforms
    }
    found: dict[int, Measured] = {}
    with stages("measure", len(points)):
        for index, point in enumerate(points):
            stages.step("measure", index, len(points))
            key = tuple(point.encodings[site] for site in front.space.choices)
            if key not in known:
                known[key] = studied.measured(studied.converted(point.encodings))
            found[index] = known[key]
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
