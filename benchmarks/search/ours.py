"""qnnsolve's search over one network: :class:`Search`, and how well its sensitivities hold (:func:`held`)."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from torch.fx import GraphModule

from benchmarks.search import costs
from benchmarks.search.budgets import budgets
from benchmarks.search.configs import NARROW, SOC, WIDE, Bench, Point, Proposal
from benchmarks.search.greedy import greedy
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.host.stages import Stages
from qnnsolve.results import decibels
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.search.calibrating import Calibrated, Watched
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.keeping import Memory, named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Studied
from qnnsolve.search.noises import monotone, needed
from qnnsolve.search.picking import measured_best
from qnnsolve.search.sampling import Chosen, directions_for
from qnnsolve.search.sensitivity import float_outputs, sensitivities
from qnnsolve.search.spaces import Space, solved_with
from qnnsolve.search.trying import SHARE, Trials, tried
from qnnsolve.solver import Limits

Encodings = Mapping[Site, Encoding]
Key = tuple[Site, Encoding]
NAME, GREEDY = "search", "greedy"


@attrs.frozen(eq=False)
class Run:
    """A search within several budgets: the config for each (None: there is none), and the passes and seconds that it
    took until it named them, preparation included; and the passes in which it then converted and measured."""

    configs: tuple[Encodings | None, ...]
    passes: int
    seconds: float
    measuring: int


@attrs.frozen(eq=False)
class Evaluated(Studied):
    """Also measures what is converted over the evaluation samples: :attr:`points` by the config's name."""

    bench: Bench = attrs.field(kw_only=True)
    points: dict[str, Point] = attrs.field(factory=dict, init=False)

    def converted(self, config: Encodings, stages: Stages | None = None) -> GraphModule:
        """See the base."""
        model, solution = super().converted(config, stages), solved_with(self.space, config)
        counted = costs.bit_operations(self.bench.products, solution), len(solution.converts)
        self.points[named(config)] = self.bench.point(NAME, counted, model)
        return model


class Search:
    """Calibrates and differentiates once: :attr:`prepared` are the passes and the seconds of that. :meth:`run` then
    asks for budgets as `qnnsolve search` does, each time as if for the first time."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        start, samples = time.process_time(), bench.network.calibration
        target, candidates = Target.of("htp", SOC, strict=False), Candidates.of(f"{NARROW},{WIDE}")
        self.space = Space.of(bench.graph, target, candidates, Wanted.of(NARROW))
        watched = Watched.of(bench.transformed, self.space, samples)
        self.studied = Studied(bench.transformed, self.space, samples, float_outputs(watched.outputs, {}))
        self.ranges: Calibrated = watched.calibrated()
        keys = {key: self.ranges.roundings[key] for key in needed(self.space) if key in self.ranges.roundings}
        before, measuring = time.process_time(), Measuring(self.studied, Memory())
        self.directions = directions_for(len(samples))
        chosen = Chosen.of(len(samples), self.directions, len(keys))
        found = sensitivities(
            bench.transformed, samples, self.studied.wanted, keys, directions=self.directions, chosen=chosen
        )
        self.differentiated = time.process_time() - before
        noise = dict(found.noise)
        for site, encoding in found.noise:
            if site in found.blind:
                noise[site, encoding] = measuring.alone(site, encoding, self.ranges.roundings)
        self.raw, (self.noise, _) = noise, monotone(noise)
        self.front = Front.of(self.space, self.noise)
        passes = watched.passes + found.forwards + found.backwards + measuring.simulations
        self.prepared = passes, time.process_time() - start
        self.runs: list[Run] = []
        evaluated = Evaluated(self.studied.model, self.space, samples, self.studied.wanted, bench=bench)
        self._measuring, self._points = Measuring(evaluated, Memory()), evaluated.points

    def run(self, budgets: Sequence[Mapping[str, float]]) -> Run:
        """The best within each of the budgets, the loosest of which come last."""
        front, measuring, start = attrs.evolve(self.front), Measuring(self.studied, Memory()), time.process_time()
        points: list[FrontPoint | None] = []
        for most in reversed(budgets):
            points.append(None)
            with contextlib.suppress(UsageError):
                points[-1] = front.best(most, Limits())
        known = [point for point in reversed(points) if point is not None]
        trials = Trials(front, measuring, self.ranges.roundings, self.prepared[0] // SHARE)
        picks = tried(trials, known, Limits(), Stages())
        passes, seconds = self.prepared[0] + measuring.trials, self.prepared[1] + time.process_time() - start
        uniforms = {each.name: self._measuring.of(each.solution.encodings) for each in self.space.uniforms}
        before = {named(pick.config) for pick in picks}
        best = iter(measured_best(front, picks, uniforms, self._measuring, Stages()))
        configs = tuple(None if point is None else next(best).config for point in reversed(points))
        self.runs.append(Run(configs, passes, seconds, 2 * len(before) * len(self.studied.samples)))
        return self.runs[-1]

    def within(self, pairs: Sequence[tuple[int, int]]) -> list[Point | None]:
        """What the search takes within bit operations and converts."""
        run = self.run([{"bit-ops": float(most), "converts": float(converts)} for most, converts in pairs])
        return [None if config is None else self.point(config) for config in run.configs]

    @functools.cached_property
    def free(self) -> Run:
        """A front whose converts are free."""
        return self.run([{"bit-ops": float(each)} for each in budgets(self.bench)])

    def point(self, config: Encodings) -> Point:
        """Its costs, counted as those of all tools, and its quality over the evaluation samples."""
        self._measuring.of(config)
        point, ours = self._points[named(config)], self.front.costs_of(config)
        assert (point.bit_operations, point.converts) == (ours["bit-ops"], ours["converts"]), point
        return point

    def measured(self, config: Encodings) -> float:
        """Its noise over the calibration samples."""
        return self._measuring.of(config).noise

    def alone(self, site: Site, encoding: Encoding) -> float:
        """The noise where nothing else is rounded: a run per sample."""
        return self.studied.simulated({site: self.ranges.roundings[site, encoding]})

    @property
    def saved(self) -> dict[str, float]:
        """By node, the noise that is gone where what it yields has 16 bits and not 8."""
        found: dict[str, dict[int, float]] = {}
        for (site, encoding), value in self.noise.items():
            if not site.user and not self.bench.graph.is_param(site.node):
                found.setdefault(site.node, {})[encoding.bits] = value
        return {name: by[8] - by[16] for name, by in found.items() if {8, 16} <= by.keys()}


def by_greedy(search: Search) -> Proposal:
    """The plain greedy search over the sensitivities of ``search``: what it spends is what those took."""
    start = time.process_time()
    configs = tuple(greedy(search.bench, search.saved))
    seconds = search.prepared[1] + time.process_time() - start
    return Proposal(
        GREEDY, configs, search.prepared[0], seconds, f"{len(configs) - 1} tensors, the search's sensitivities"
    )


def held(search: Search, ranked: bool = True) -> dict[str, Any]:
    """How well what the search supposes holds over the calibration samples: its sensitivities beside the noise of one
    encoding alone, and the SQNR it predicts for whole configs beside the measured one."""
    from scipy.stats import spearmanr

    front, configs = search.front, {named(each): each for each in search.free.configs if each is not None}
    configs |= {named(each.solution.encodings): each.solution.encodings for each in search.space.uniforms}
    off = [decibels(front.noise_of(each)) - decibels(search.measured(each)) for each in configs.values()]
    found: dict[str, Any] = {
        "configs": len(configs),
        "off_rms": (sum(each**2 for each in off) / len(off)) ** 0.5,
        "off_worst": max(off, key=abs),
    }
    if ranked:
        keys, start = [*search.noise], time.process_time()
        alone = [search.alone(*key) for key in keys]
        seconds, ours = time.process_time() - start, [search.raw[key] for key in keys]
        narrow = [index for index, (_, encoding) in enumerate(keys) if encoding.bits == 8]
        found["sensitivities"] = {
            "directions": search.directions,
            "pairs": len(keys),
            "rank_correlation": float(spearmanr(ours, alone).statistic),
            "pairs_8_bits": len(narrow),
            "rank_correlation_8_bits": float(
                spearmanr([ours[index] for index in narrow], [alone[index] for index in narrow]).statistic
            ),
            "seconds": round(search.differentiated, 2),
            "measured_seconds": round(seconds, 1),
            "measured_passes": len(keys) * len(search.bench.network.calibration),
        }
    return found


def cheapest(search: Search, metric: float) -> Point | None:
    """Of the uniform configs and the best ones per budget the one with the fewest bit operations whose metric is at
    least ``metric`` over the evaluation samples."""
    configs = [each for each in search.free.configs if each is not None]
    configs += [each.solution.encodings for each in search.space.uniforms]
    points = [each for each in map(search.point, configs) if each.metric >= metric]
    return min(points, key=lambda each: each.bit_operations, default=None)
