"""What a point of the front gets: the optimum of the prediction, or a config that does better when it is run.

The prediction is off by some tenths of a decibel, so of configs that are nearly as good the best is not known. Several
are therefore run with their roundings simulated (*trials*, which need no calibration), and the best of them is
converted and measured. What measures best within a point's budgets is what the point gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.keeping import named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Measured, better
from qnnsolve.search.origins import Roundings
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.workers import Workers
from qnnsolve.solver import Limits

__all__ = ["OPTIMUM", "Pick", "all_measured", "alternatives", "distinct", "measured_best", "tried"]

Config = Mapping[Site, Encoding]
OPTIMUM, ALTERNATIVE = "optimum", "alternative"
_REPEATED = 4
"""So many configs are looked at for each alternative: some differ in what they cost alone."""


@attrs.frozen(eq=False)
class Pick:
    """A config for the budgets of ``found``, what it is there (``optimum``, ``near-optimal``, ``point 3``, ``16a8w``),
    and what it measures."""

    found: FrontPoint
    config: Config
    found_as: str = OPTIMUM
    measured: Measured | None = None


class _Trials:
    """The simulated noise of configs, each once; those that round alike count as one."""

    def __init__(self, front: Front, measuring: Measuring, roundings: Mapping[tuple[Site, Encoding], Rounding]) -> None:
        self._places, self._measuring, self._roundings = Roundings.of(front.space), measuring, roundings

    def of(self, config: Config) -> float:
        """The noise of ``config``."""
        return self._measuring.trial(self.rounds(config), self._roundings)

    def rounds(self, config: Config) -> tuple[tuple[Site, Encoding], ...]:
        """What two configs that compute the same have in common."""
        return self._places.in_(config)


def tried(
    front: Front,
    points: Sequence[FrontPoint],
    measuring: Measuring,
    roundings: Mapping[tuple[Site, Encoding], Rounding],
    limits: Limits,
    stages: Stages,
) -> list[Pick]:
    """For each point the config that does best in trials, out of its own and those of other points that keep its
    budgets."""
    trials = _Trials(front, measuring, roundings)
    options: dict[tuple[tuple[Site, Encoding], ...], Config] = {}
    for point in points:
        options.setdefault(trials.rounds(point.encodings), point.encodings)
    with stages("near", len(points)):
        for index, point in enumerate(points):
            stages.step("near", index, len(points))
            for config in front.nearly(point.budgets, limits):
                options.setdefault(trials.rounds(config), config)
    if len(options) == 1:
        return [Pick(point, point.encodings) for point in points]
    with stages("try", len(options)):
        noise: list[tuple[float, Config]] = []
        for index, config in enumerate(options.values()):
            stages.step("try", index, len(options))
            noise.append((trials.of(config), config))
    return [_best(front, point, noise, options[trials.rounds(point.encodings)]) for point in points]


def _best(front: Front, point: FrontPoint, noise: Sequence[tuple[float, Config]], own: Config) -> Pick:
    fitting = [(value, config is not own, config) for value, config in noise if front.fits(config, point.budgets)]
    if not fitting:
        return Pick(point, point.encodings)
    _, other, config = min(fitting, key=lambda each: each[:2])
    return Pick(point, config, "near-optimal") if other else Pick(point, point.encodings)


def alternatives(
    front: Front, points: Sequence[FrontPoint], count: int, limits: Limits, stages: Stages
) -> Iterator[Pick]:
    """Each point, and behind it the ``count`` next best within its budgets as far as there are so many, the least
    predicted noise first. No two of them round alike."""
    places = Roundings.of(front.space)
    with stages("alternatives", len(points)):
        for index, point in enumerate(points):
            stages.step("alternatives", index, len(points))
            yield Pick(point, point.encodings)
            known, barred = {places.in_(point.encodings)}, [point.encodings]
            while len(known) <= count and len(barred) <= count * _REPEATED:
                other = front.best(point.budgets, limits, others=barred)
                if other is None:
                    break
                barred.append(other.encodings)
                if places.in_(other.encodings) not in known:
                    known.add(places.in_(other.encodings))
                    yield Pick(attrs.evolve(other, budgets=point.budgets), other.encodings, ALTERNATIVE)


def all_measured(
    picks: Sequence[Pick], measuring: Measuring, stages: Stages, workers: Workers | None = None
) -> list[Pick]:
    """``picks``, each converted and measured, by ``workers`` where there are some."""
    with stages("measure", len(picks)):
        configs = [pick.config for pick in picks]
        found = measuring.many(configs, workers, lambda done: stages.step("measure", done, len(picks)))
    return [attrs.evolve(pick, measured=found[named(pick.config)]) for pick in picks]


def measured_best(
    front: Front,
    picks: Sequence[Pick],
    uniforms: Mapping[str, Measured],
    measuring: Measuring,
    stages: Stages,
    workers: Workers | None = None,
) -> list[Pick]:
    """``picks`` converted and measured; each gets what measured best within its budgets: itself, a uniform candidate or
    what another point has."""
    found = all_measured(picks, measuring, stages, workers)
    others = [Pick(each.found, each.config, f"point {number}", each.measured) for number, each in enumerate(found, 1)]
    known = [(other.found_as, other.config, other.measured) for other in others]
    known += [(each.name, each.solution.encodings, uniforms[each.name]) for each in front.space.uniforms]
    return [_kept(front, pick, known) for pick in found]


def _kept(front: Front, pick: Pick, others: Sequence[tuple[str, Config, Measured | None]]) -> Pick:
    for name, config, value in others:
        assert value is not None and pick.measured is not None, "all are measured"
        if better(value, pick.measured) and front.fits(config, pick.found.budgets):
            pick = Pick(pick.found, config, name, value)
    return pick


def distinct(picks: Sequence[Pick]) -> Iterator[Pick]:
    """Those whose config the one before does not have already."""
    before = None
    for pick in picks:
        name = named(pick.config)
        if name != before:
            yield pick
        before = name
