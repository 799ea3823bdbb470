"""qnnsolve's search over one network: :class:`Search`, and how well its sensitivities hold (:func:`held`)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

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
from qnnsolve.search.calibrating import Calibrated, calibrated
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.keeping import Memory, named
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Studied
from qnnsolve.search.noises import monotone, needed
from qnnsolve.search.origins import Roundings
from qnnsolve.search.picking import tried
from qnnsolve.search.sensitivity import directions_for, reference, sensitivities
from qnnsolve.search.spaces import Space, solved_with
from qnnsolve.solver import Limits

Encodings = Mapping[Site, Encoding]
Key = tuple[Site, Encoding]
NAME, GREEDY = "search", "greedy"


@attrs.frozen(eq=False)
class Choice:
    """A config that the search found: what it predicts in dB, and what it has in a trial, run with its roundings
    simulated."""

    encodings: Encodings
    predicted: float
    tried: float


class Search:
    """Calibrates and differentiates once. Each budget then asks the same program, as `qnnsolve search` does:
    near-optimal configs are tried over the calibration samples, and the best of them is taken. :attr:`passes` and
    :attr:`seconds` count all of it, but not that what is taken is converted and measured, as it is for all tools."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        start, samples = time.process_time(), bench.network.calibration
        target, candidates = Target.of("htp", SOC, strict=False), Candidates.of(f"{NARROW},{WIDE}")
        self.space = Space.of(bench.graph, target, candidates, Wanted.of(NARROW))
        self.studied = Studied(bench.transformed, self.space, samples, reference(bench.transformed, samples, {}))
        self.ranges: Calibrated = calibrated(bench.transformed, self.space, samples)
        keys = {key: self.ranges.roundings[key] for key in needed(self.space) if key in self.ranges.roundings}
        before = time.process_time()
        self.directions = directions_for(len(samples))
        found = sensitivities(bench.transformed, samples, self.studied.wanted, keys, directions=self.directions)
        self.differentiated = time.process_time() - before
        self.measuring = Measuring(self.studied, Memory())
        self._found = len(samples) + self.ranges.passes + found.forwards + found.backwards
        noise = dict(found.noise)
        for site, encoding in found.noise:
            if site in found.blind:
                noise[site, encoding] = self.measuring.alone(site, encoding, self.ranges.roundings)
        self.raw, (self.noise, _) = noise, monotone(noise)
        self.front = Front.of(self.space, self.noise)
        self.seconds = time.process_time() - start
        self.prepared = self.passes, self.seconds
        self._places = Roundings.of(self.space)
        self._known: dict[str, Choice] = {}
        self._points: dict[Choice, Point] = {}
        self._pool: list[Choice] | None = None

    @property
    def passes(self) -> int:
        """Over one sample, forward or backward."""
        return self._found + self.measuring.simulations + self.measuring.trials

    def alone(self, site: Site, encoding: Encoding) -> float:
        """The noise where nothing else is rounded: a run per sample."""
        return self.studied.simulated({site: self.ranges.roundings[site, encoding]})

    def within(self, bit_operations: int, converts: int) -> Point | None:
        """What the search would take within both, measured over the evaluation samples; None: no config is."""
        pool, start = self.pool, time.process_time()
        most = {"bit-ops": float(bit_operations), "converts": float(converts)}
        fitting = [*self._best([most])]
        fitting += [each for each in pool if self.front.fits(each.encodings, most)]
        self.seconds += time.process_time() - start
        if not fitting:
            return None
        return self.point(max(fitting, key=lambda each: each.tried))

    @property
    def pool(self) -> list[Choice]:
        """The uniform configs, and the best within each budget of bit operations, whatever the converts."""
        if self._pool is None:
            start = time.process_time()
            self._pool = [self._choice(each.solution.encodings) for each in self.space.uniforms]
            self._pool += self._best([{"bit-ops": float(each)} for each in budgets(self.bench)])
            self.seconds += time.process_time() - start
        return self._pool

    def point(self, choice: Choice) -> Point:
        """Its costs, counted as those of all tools, and its quality over the evaluation samples."""
        if choice not in self._points:
            start, solution = time.process_time(), solved_with(self.space, choice.encodings)
            graph = self.bench.graph
            counted = costs.bit_operations(graph, solution), len(solution.converts)
            ours = self.front.costs_of(choice.encodings)
            assert counted == (ours["bit-ops"], ours["converts"]), counted
            figures = self.bench.figures(self.studied.converted(choice.encodings))
            weights, seconds = costs.weight_bytes(graph, solution), time.process_time() - start
            self._points[choice] = Point(NAME, *counted, weights, *figures, seconds)
        return self._points[choice]

    def _best(self, budgets: Sequence[Mapping[str, float]]) -> list[Choice]:
        """What does best in trials within each of the budgets that can be met."""
        points: list[FrontPoint] = []
        for most in budgets:
            with contextlib.suppress(UsageError):
                found = self.front.best(most, Limits())
                points += [] if found is None else [found]
        picks = tried(self.front, points, self.measuring, self.ranges.roundings, Limits(), Stages()) if points else []
        return [self._choice(each.config) for each in picks]

    def _choice(self, encodings: Encodings) -> Choice:
        key = named(encodings)
        if key not in self._known:
            predicted = decibels(self.front.noise_of(encodings))
            noise = self.measuring.trial(self._places.in_(encodings), self.ranges.roundings)
            self._known[key] = Choice(encodings, predicted, decibels(noise))
        return self._known[key]

    @property
    def saved(self) -> dict[str, float]:
        """By node, the noise that is gone where what it yields has 16 bits and not 8."""
        found: dict[str, dict[int, float]] = {}
        for (site, encoding), value in self.noise.items():
            if not site.user and not self.bench.graph.is_param(site.node):
                found.setdefault(site.node, {})[encoding.bits] = value
        return {name: by[8] - by[16] for name, by in found.items() if {8, 16} <= by.keys()}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All that was measured."""
        return tuple(self._known.values())


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

    pool, converted = search.pool, search.studied.converted
    measured = {each: decibels(search.studied.measured(converted(each.encodings)).noise) for each in search.choices}
    off = [each.predicted - measured[each] for each in search.choices]
    trials = [each.tried - measured[each] for each in search.choices]
    found: dict[str, Any] = {
        "configs": len(off),
        "off_rms": (sum(each**2 for each in off) / len(off)) ** 0.5,
        "off_worst": max(off, key=abs),
        "tried_off_worst": max(trials, key=abs),
        "uniforms": [
            {"config": each.name, "predicted": choice.predicted, "measured": measured[choice]}
            for each, choice in zip(search.space.uniforms, pool, strict=False)
        ],
    }
    if ranked:
        start = time.process_time()
        keys = [key for key in search.raw if key in search.ranges.roundings]
        alone = [search.alone(*key) for key in keys]
        seconds, ours = time.process_time() - start, [search.raw[key] for key in keys]
        passes = len(keys) * len(search.bench.network.calibration)
        narrow = [index for index, (_, encoding) in enumerate(keys) if encoding.bits == 8]
        found["sensitivities"] = {
            "directions": search.directions,
            "pairs": len(keys),
            "rank_correlation": float(spearmanr(ours, alone).statistic),
            "pairs_8_bits": len(narrow),
            "rank_correlation_8_bits": float(
                spearmanr([ours[index] for index in narrow], [alone[index] for index in narrow]).statistic
            ),
            "seconds": round(search.differentiated, 1),
            "measured_seconds": round(seconds, 1),
            "measured_passes": passes,
        }
    return found


def cheapest(search: Search, metric: float) -> Point | None:
    """Of the uniform configs and the best ones per budget the one with the fewest bit operations whose metric is at
    least ``metric`` over the evaluation samples."""
    points = [each for each in map(search.point, search.pool) if each.metric >= metric]
    return min(points, key=lambda each: each.bit_operations, default=None)
