"""What a point of the front gets: the optimum of the prediction, or a config that does better when it is run.

The prediction is off by some tenths of a decibel, so of configs that are nearly as good the best is not known. Several
are therefore tried (:mod:`qnnsolve.search.trying`), and the best of them is converted and measured. What is best
within a point's budgets, by what it measures and what was predicted (:mod:`qnnsolve.search.judging`), is what the
point gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.judging import Judge
from qnnsolve.search.keeping import named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Measured, better, by_metrics
from qnnsolve.search.origins import Roundings
from qnnsolve.search.workers import Workers
from qnnsolve.solver import Limits

__all__ = ["NEAR", "OPTIMUM", "Pick", "all_measured", "alternatives", "distinct", "measured_best", "measures_better"]

Config = Mapping[Site, Encoding]
OPTIMUM, NEAR, ALTERNATIVE = "optimum", "near-optimal", "alternative"
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
    """``picks`` converted and measured; each gets what is then held best within its budgets: itself, a uniform
    candidate or what another point has."""
    found = all_measured(picks, measuring, stages, workers)
    others = [Pick(each.found, each.config, f"point {number}", each.measured) for number, each in enumerate(found, 1)]
    known = [(other.found_as, other.config, other.measured) for other in others]
    known += [(each.name, each.solution.encodings, uniforms[each.name]) for each in front.space.uniforms]
    judge = Judge(front)
    return [_kept(judge, pick, known) for pick in found]


def _kept(judge: Judge, pick: Pick, others: Sequence[tuple[str, Config, Measured | None]]) -> Pick:
    for name, config, value in others:
        assert value is not None and pick.measured is not None, "all are measured"
        if not judge.front.fits(config, pick.found.budgets):
            continue
        better = by_metrics(value, pick.measured)
        if better is None:
            better = judge.more(config, pick.config, value.each, pick.measured.each) < 0
        if better:
            pick = Pick(pick.found, config, name, value)
    return pick


def measures_better(one: Pick, other: Pick) -> bool:
    """Whether the one measures better; both are measured."""
    assert one.measured is not None and other.measured is not None, "they are"
    return better(one.measured, other.measured)


def distinct(picks: Sequence[Pick]) -> Iterator[Pick]:
    """Those whose config the one before does not have already."""
    before = None
    for pick in picks:
        name = named(pick.config)
        if name != before:
            yield pick
        before = name
