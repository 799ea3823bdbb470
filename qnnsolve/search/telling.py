"""What a search found, as the records that a user reads: :func:`point_record` and others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import SearchPoint, SensitivityRecord, UniformRecord, decibels
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.measuring import Measured
from qnnsolve.search.noises import NOISE
from qnnsolve.search.picking import OPTIMUM, Pick
from qnnsolve.search.spaces import Space

__all__ = ["point_record", "sensitivity_records", "uniform_records"]


def point_record(front: Front, pick: Pick) -> SearchPoint:
    """A point: its budgets, what its config costs, predicts and measures."""
    point, measured = pick.found, pick.measured
    noise, gap, by_noise = front.noise_of(pick.config), point.best.gap, front.objective == {NOISE: 1.0}
    if pick.found_as != OPTIMUM and NOISE not in point.budgets:
        value = sum(weight * front.program.measures[name].of(pick.config) for name, weight in front.objective.items())
        gap = max(0.0, 1 - point.best.bound / value) if value > 0 else 0.0
    return SearchPoint(
        budgets={cost: most for cost, most in point.budgets.items() if cost != NOISE},
        amounts=front.costs_of(pick.config),
        predicted_db=decibels(noise),
        bound_db=_bound_db(point, by_noise=by_noise),
        gap=gap,
        prices={
            cost: _decibels_per_percent(point, cost, price)
            for cost, price in point.best.prices.items()
            if cost != NOISE and by_noise
        },
        how=point.best.how,
        measured_db=None if measured is None else decibels(measured.noise),
        metric=None if measured is None else measured.metric,
        found_as=pick.found_as,
    )


def _bound_db(point: FrontPoint, *, by_noise: bool) -> float:
    if NOISE in point.budgets:
        return point.predicted_db
    return decibels(point.best.bound) if by_noise else math.inf


def _decibels_per_percent(point: FrontPoint, cost: str, price: float) -> float:
    """By how much the SQNR rises for one percent more of a budget, by its price in noise."""
    noise = point.best.amounts[NOISE]
    return 0.0 if noise <= 0 else 4.342944819 * price * point.budgets[cost] * 0.01 / noise


def uniform_records(front: Front, measured: Mapping[str, Measured]) -> Iterator[UniformRecord]:
    """The uniform candidates."""
    for each in front.space.uniforms:
        config, found = each.solution.encodings, measured[each.name]
        predicted = decibels(front.noise_of(config))
        yield UniformRecord(each.name, front.costs_of(config), predicted, decibels(found.noise), found.metric)


def sensitivity_records(space: Space, noise: Mapping[tuple[Site, Encoding], float]) -> Sequence[SensitivityRecord]:
    """The sites that have a choice, the most noise first."""
    found = [
        SensitivityRecord(str(site), encoding.name, value, decibels(value))
        for (site, encoding), value in noise.items()
        if len(space.choices[site]) > 1
    ]
    return sorted(found, key=lambda each: (-each.noise, each.site, each.encoding))
