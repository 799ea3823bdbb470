"""The cheapest config that reaches a target, by what it measures: :func:`reached`.

Along the front more predicted SQNR costs more, and measures more up to what the prediction is off by. So the search
asks for the cheapest config of some predicted SQNR and measures it. Where that config reaches the target, the search
asks for less; where it does not, for more. It ends where the difference is not worth another measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.host.stages import Stages
from qnnsolve.results import decibels
from qnnsolve.search.budgets import SQNR, QualityTarget
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.keeping import named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Measured
from qnnsolve.search.picking import NEAR, OPTIMUM, Pick
from qnnsolve.solver import Limits

__all__ = ["Reached", "predicted_to_reach", "reached", "value_of"]

_STEPS = 8
"""So many configs are measured at most, beside the cheapest and the best one."""
_ENOUGH, _FINE_DB = 0.01, 0.05
"""A config that saves less than this share of the cost is not looked for, nor one whose predicted SQNR differs by
less."""


@attrs.frozen(eq=False)
class Reached:
    """The cheapest config that measures the target; where none does, the one that comes nearest."""

    pick: Pick
    reached: bool


def value_of(measured: Measured, target: QualityTarget) -> float:
    """What a measurement says about the target."""
    if target.of == SQNR:
        return decibels(measured.noise)
    assert measured.metric is not None, "a task metric is measured with every config"
    return measured.metric


def predicted_to_reach(
    front: Front, axis: str, target: QualityTarget, budgets: Mapping[str, float], limits: Limits
) -> list[Pick]:
    """The cheapest config that is predicted to reach an SQNR; nothing is measured.

    Raises:
        UsageError: a task metric, which nothing predicts; or nothing reaches it.
    """
    if target.of != SQNR:
        raise UsageError(f"a target of {target.of} has to be measured: take --no-measure (measure=False) away")
    found = front.cheapest(axis, target.least, budgets, limits)
    return [] if found is None else [Pick(found, found.encodings)]


def reached(
    front: Front,
    axis: str,
    target: QualityTarget,
    budgets: Mapping[str, float],
    uniforms: Mapping[str, Measured],
    measuring: Measuring,
    limits: Limits,
    stages: Stages,
) -> Reached | None:
    """The cheapest in ``axis`` of the configs within ``budgets`` that measure ``target``; uniform candidates count.

    Raises:
        UsageError: no config is within the budgets.
    """
    with stages("measure", _STEPS):
        cheapest = front.cheapest(axis, -math.inf, budgets, limits)
        best = front.best(budgets, limits)
        if cheapest is None or best is None:
            return None
        picks = [
            Pick(best, each.solution.encodings, each.name, uniforms[each.name])
            for each in front.space.uniforms
            if front.fits(each.solution.encodings, budgets)
        ]
        asking = _Asking(front, axis, target, measuring, picks)
        _narrow(asking, cheapest, best, budgets, limits, stages)
        asking.nearly(budgets, limits)
    enough = [pick for pick in picks if _value(pick, target) >= target.least]
    if enough:
        pick = min(enough, key=lambda each: (front.costs_of(each.config)[axis], -_value(each, target)))
    else:
        pick = max(picks, key=lambda each: _value(each, target))
    return Reached(pick, bool(enough))


def _value(pick: Pick, target: QualityTarget) -> float:
    assert pick.measured is not None, "it was measured"
    return value_of(pick.measured, target)


@attrs.frozen(eq=False)
class _Asking:
    """Measures configs, and keeps them in ``picks``."""

    front: Front
    axis: str
    target: QualityTarget
    measuring: Measuring
    picks: list[Pick]

    def value(self, found: FrontPoint) -> float:
        """By how much a config is above the target."""
        self.picks.append(Pick(found, found.encodings, OPTIMUM, self.measuring.of(found.encodings)))
        return _value(self.picks[-1], self.target) - self.target.least

    def nearly(self, budgets: Mapping[str, float], limits: Limits) -> None:
        """Measure configs that are cheaper than the cheapest that reaches the target, and may reach it, too."""
        costs = {named(pick.config): self.front.costs_of(pick.config)[self.axis] for pick in self.picks}
        enough = [costs[named(pick.config)] for pick in self.picks if _value(pick, self.target) >= self.target.least]
        asked = {**budgets, self.axis: min(enough, default=math.inf) * (1 - _ENOUGH)}
        if not enough or asked[self.axis] < self.front.program.lowest(self.axis, limits):
            return
        within = self.front.best(asked, limits)
        for config in self.front.nearly(asked, limits) if within is not None else ():
            if within is not None and named(config) not in costs:
                costs[named(config)] = 0.0
                self.picks.append(Pick(within, config, NEAR, self.measuring.of(config)))

    def cost(self, found: FrontPoint) -> float:
        """In the axis."""
        return self.front.costs_of(found.encodings)[self.axis]


def _narrow(
    asking: _Asking, below: FrontPoint, above: FrontPoint, budgets: Mapping[str, float], limits: Limits, stages: Stages
) -> None:
    """Measure configs between one that is too cheap and one that reaches the target."""
    low, high = below.predicted_db, above.predicted_db
    if asking.value(below) >= 0 or asking.value(above) < 0:
        return
    # What an SQNR measures lies near what it is predicted; of a metric nothing is known.
    near = asking.target.of == SQNR
    guess = asking.target.least if near else (low + high) / 2
    for step in range(_STEPS):
        if asking.cost(above) - asking.cost(below) <= _ENOUGH * asking.cost(above) or high - low < _FINE_DB:
            return
        stages.step("measure", step, _STEPS)
        guess = guess if low < guess < high else (low + high) / 2
        found = asking.front.cheapest(asking.axis, guess, budgets, limits)
        if found is None:
            return
        missing = -asking.value(found)
        if missing <= 0:
            above, high = found, guess
        else:
            below, low = found, max(guess, min(found.predicted_db, high))
        guess = guess + missing if near else (low + high) / 2
