"""The steps of a search over a transformed graph: calibrate, differentiate, solve, measure. :func:`study`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.explain import describe
from qnnsolve.host.stages import Stages
from qnnsolve.recipes import Recipe
from qnnsolve.recipes.chosen import chosen
from qnnsolve.recipes.writing import write_recipe
from qnnsolve.results import SearchPoint, SearchResult, SearchTarget
from qnnsolve.runs import Solved
from qnnsolve.search.budgets import QualityTarget
from qnnsolve.search.calibrating import Watched
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.keeping import Ledger, Memory
from qnnsolve.search.ledgers import Measuring, kept_ranges, known_ranges
from qnnsolve.search.measuring import Measured, Metric, Studied
from qnnsolve.search.noises import LOSS
from qnnsolve.search.picking import Pick, all_measured, alternatives, distinct, measured_best
from qnnsolve.search.positions import Index
from qnnsolve.search.reaching import predicted_to_reach, reached
from qnnsolve.search.refining import better_of, measured_instead
from qnnsolve.search.sensing import Sensing, sensed
from qnnsolve.search.sensitivity import FloatOutputs, float_outputs, reference
from qnnsolve.search.spaces import Space, pinned_to, solved_with
from qnnsolve.search.telling import point_record, sensitivity_records, uniform_records
from qnnsolve.search.trying import SHARE, Trials, tried
from qnnsolve.search.workers import Workers
from qnnsolve.solver import Limits

__all__ = ["SearchRequest", "Searched", "study"]

Config = Mapping[Site, Encoding]
Sample = tuple[Any, ...]


@attrs.frozen(eq=False)
class SearchRequest:
    """What is asked of a search: a front of ``points`` along the cost ``axis`` within ``budgets``, or the cheapest
    config that reaches ``target``."""

    axis: str
    points: int
    budgets: Mapping[str, float]
    target: QualityTarget | None
    weights: Mapping[str, float]
    positions: Mapping[str, Index]
    sensing: Sensing
    metric: Metric | None
    measure: bool
    alternatives: int = 0
    workers: Callable[[FloatOutputs], Workers | None] | None = None
    """Makes those that measure, once the exact outputs are known; None: it is done here."""

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that it names, mixtures among them."""
        return (self.axis, *self.budgets)

    @property
    def refinable(self) -> bool:
        """Whether what is predicted comes from gradients and is held against what is measured."""
        differentiated = not self.sensing.measured and self.sensing.layers is None
        return differentiated and self.measure and self.target is None and not self.alternatives


@attrs.frozen(eq=False)
class Searched:
    """What a search found, and the config of each point."""

    space: Space
    result: SearchResult
    configs: tuple[Config, ...]
    workers: Workers | None = None
    """Those that measured, where there were some."""

    def solved(self, soc: str, limits: Limits, origins: Mapping[str, tuple[str, ...]]) -> Solved:
        """The last point as a solve that can be kept; ``origins`` as it has them."""
        facts, problem = self.space.facts, pinned_to(self.space, self.configs[-1])
        solution = solved_with(self.space, self.configs[-1], limits)
        result = describe(facts, problem, solution, soc=soc, timings=())
        return Solved(facts, problem, solution, result, limits, origins)

    def recipes(self) -> Iterator[Recipe]:
        """A recipe per point."""
        for number, (point, config) in enumerate(zip(self.result.points, self.configs, strict=True), 1):
            about = {"search": f"point {number}: {point.predicted_db:.2f} dB predicted"}
            yield chosen(self.space.facts, config, about)

    def write_recipes(self, folder: Path) -> None:
        """A recipe per point: ``point-1.yaml`` and so on."""
        folder.mkdir(exist_ok=True)
        for number, recipe in enumerate(self.recipes(), 1):
            write_recipe(folder / f"point-{number}.yaml", recipe)


def study(
    model: GraphModule,
    space: Space,
    samples: Sequence[Sample],
    asked: SearchRequest,
    limits: Limits,
    stages: Stages,
    ledger: Ledger | None = None,
) -> Searched:
    """What is best. What is in ``ledger`` is not measured again, and what is measured is put there as it comes."""
    ledger = ledger or Memory()
    watched = None if known_ranges(space, ledger) else Watched.of(model, space, samples, stages)
    with stages("reference"):
        if watched is None:
            wanted = reference(model, samples, asked.weights, asked.positions)
        else:
            wanted = float_outputs(watched.outputs, asked.weights, asked.positions)
    measuring = Measuring(Studied(model, space, samples, wanted, asked.metric), ledger)
    ranges = kept_ranges(measuring, watched, stages)
    workers = None if asked.workers is None else asked.workers(wanted)
    found = sensed(measuring, ranges.roundings, asked.sensing, stages)
    front = Front.of(space, found.noise, limits, found.losses, asked.costs)
    trials = Trials(front, measuring, ranges.roundings, found.planned // SHARE)
    picks, is_reached = _picks(trials, asked, ranges.converted, limits, stages, workers)
    notes = [*found.notes]
    if asked.refinable:
        with stages("refine"):
            mended = measured_instead(trials, picks, found.noise)
        if mended is not None:
            front = Front.of(space, mended[0], limits, mixtures=asked.costs)
            trials = attrs.evolve(trials, front=front)
            again, _ = _picks(trials, asked, ranges.converted, limits, stages, workers)
            picks, notes = better_of(trials, picks, again), [*notes, mended[1]]
            found = attrs.evolve(found, noise=mended[0])
    kept = [*distinct(picks)]
    goal = asked.target
    result = SearchResult(
        soc=space.facts.operators.arch,
        candidates=space.candidates.names,
        axis=asked.axis,
        target=None if goal is None else SearchTarget(goal.of, goal.least, is_reached),
        samples=len(samples),
        directions=asked.sensing.directions,
        points=tuple(_compared(front, kept)),
        uniforms=tuple(uniform_records(front, ranges.converted)),
        sensitivities=tuple(sensitivity_records(space, found.noise)),
        passes={
            "forward": len(samples) + found.forwards + measuring.simulations,
            "backward": found.backwards,
            "trying": measuring.trials,
            "measuring": measuring.passes,
        },
        notes=tuple(_notes(notes, len(picks) - len(kept))),
        timings=(),
    )
    return Searched(space, result, tuple(pick.config for pick in kept), workers)


def _picks(
    trials: Trials,
    asked: SearchRequest,
    uniforms: Mapping[str, Measured],
    limits: Limits,
    stages: Stages,
    workers: Workers | None,
) -> tuple[list[Pick], bool | None]:
    """The config of each point; and whether the target is reached, where there is one and something was measured."""
    front, measuring = trials.front, trials.measuring
    if asked.target is not None and asked.measure:
        found = reached(front, asked.axis, asked.target, asked.budgets, uniforms, measuring, limits, stages)
        return ([], False) if found is None else ([found.pick], found.reached)
    with stages("optimum", asked.points):
        if asked.target is not None:
            return predicted_to_reach(front, asked.axis, asked.target, asked.budgets, limits), None
        points = _points(front, asked, limits, stages)
    picks = [Pick(point, point.encodings) for point in points]
    if asked.alternatives:
        picks = [*alternatives(front, points, asked.alternatives, limits, stages)]
        return (all_measured(picks, measuring, stages, workers) if asked.measure else picks), None
    if not asked.measure:
        return picks, None
    if LOSS not in front.objective:  # a trial tells the noise, and here a metric decides
        picks = tried(trials, points, limits, stages)
    return measured_best(front, picks, uniforms, measuring, stages, workers), None


def _points(front: Front, asked: SearchRequest, limits: Limits, stages: Stages) -> list[FrontPoint]:
    """The optimum of each point, in the order of the axis; the loosest budgets are asked first."""
    found = []
    for done, budgets in enumerate(reversed([*front.axis(asked.axis, asked.points, asked.budgets, limits)])):
        stages.step("optimum", done, asked.points)
        found.append(front.best(budgets, limits))
    return [each for each in reversed(found) if each is not None]


def _compared(front: Front, picks: Sequence[Pick]) -> Iterator[SearchPoint]:
    """Each point, with what its config has otherwise than that of the last, which is kept."""
    for pick in picks:
        last = picks[-1].config
        differs = ((str(site), each.name) for site, each in sorted(pick.config.items()) if last[site] != each)
        yield attrs.evolve(point_record(front, pick), differs=tuple(differs))


def _notes(notes: Sequence[str], repeated: int) -> Iterator[str]:
    yield from notes
    if repeated:
        yield f"{repeated} of the points asked for had the config of the one before, and are not listed again"
