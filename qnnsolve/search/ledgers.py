"""Measurements that are made once: :class:`Measuring` asks the ledger first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.recipes.chosen import chosen
from qnnsolve.search.calibrating import Calibrated, Watched
from qnnsolve.search.keeping import Ledger, named, rounding_from, rounding_record
from qnnsolve.search.measuring import Measured, Studied
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.spaces import Space, Uniform
from qnnsolve.search.tasks import Wanting, measured_config
from qnnsolve.search.workers import Workers

__all__ = ["Measuring", "kept_ranges", "known_ranges"]

Key = tuple[Site, Encoding]
Config = Mapping[Site, Encoding]


class Measuring:
    """What configs and single roundings measure. ``passes``, ``trials`` and ``simulations`` count those over a sample
    that were run now: for converted configs, for whole configs that are simulated, and for single roundings."""

    def __init__(self, studied: Studied, ledger: Ledger) -> None:
        self.studied, self.ledger = studied, ledger
        self.passes = self.trials = self.simulations = 0

    def of(self, config: Mapping[Site, Encoding]) -> Measured:
        """Of the converted model of ``config``."""
        record = self.ledger.get("config", named(config))
        if record is not None:
            return Measured(*record)
        return self.converted(config, self.studied.converted(config), calibrating=len(self.studied.samples))

    def converted(self, config: Mapping[Site, Encoding], model: GraphModule, calibrating: int = 0) -> Measured:
        """Of ``model``, which is that of ``config``; ``calibrating`` passes went before."""
        found = self.studied.measured(model)
        self.passes += calibrating + len(self.studied.samples)
        self.ledger.put("config", named(config), found.record)
        return found

    def many(
        self, configs: Sequence[Config], workers: Workers | None, done: Callable[[int], None]
    ) -> dict[str, Measured]:
        """Of the converted models of all ``configs``, by their names; ``done`` is told how many there are already. What
        is new is measured by ``workers``, where there are some, and kept as it comes."""
        found, new = dict[str, Measured](), dict[str, Config]()
        for config in configs:
            record = self.ledger.get("config", named(config))
            if record is None and workers is not None:
                new.setdefault(named(config), config)
            else:
                found[named(config)] = self.of(config)
                done(len(found))
        if workers is None:
            return found
        facts, names = self.studied.space.facts, [*new]
        items = [Wanting(name, chosen(facts, config, {})) for name, config in new.items()]
        for place, value in workers.done(measured_config, items):
            self.passes += 2 * len(self.studied.samples)
            self.ledger.put("config", names[place], value.record)
            found[names[place]] = value
            done(len(found))
        return found

    def trial(self, keys: Sequence[Key], roundings: Mapping[Key, Rounding], count: int) -> list[float]:
        """The noise where the tensors at all these sites are rounded, for each of ``count`` samples, evenly spread: no
        calibration, one pass over each that was not run yet."""
        name, wanted = named(dict(keys)), self.studied.spread[:count]
        found: list[float] = list(self.ledger.get("trial", name) or ())
        if len(found) < len(wanted):
            applied = {site: roundings[site, encoding] for site, encoding in keys if (site, encoding) in roundings}
            new = self.studied.simulated_each(applied, wanted[len(found) :])
            found, self.trials = [*found, *new], self.trials + len(new)
            self.ledger.put("trial", name, found)
        return found[:count]

    def exact(self) -> float:
        """The task metric of the float model."""
        return self._metric("exact", {})

    def metric_alone(self, site: Site, encoding: Encoding, roundings: Mapping[Key, Rounding]) -> float:
        """The task metric where the tensor at ``site`` alone is rounded."""
        return self._metric(f"{site}={encoding.name}", {site: roundings[site, encoding]})

    def _metric(self, name: str, applied: Mapping[Site, Rounding]) -> float:
        found = self.ledger.get("metric", name)
        if found is None:
            found, calls = self.studied.simulated_metric(applied)
            self.simulations += calls
            self.ledger.put("metric", name, found)
        return float(found)

    def alone(self, site: Site, encoding: Encoding, roundings: Mapping[Key, Rounding]) -> float:
        """The noise where the tensor at ``site`` alone is rounded."""
        name = f"{site}={encoding.name}"
        found = self.ledger.get("alone", name)
        if found is None:
            found = self.studied.simulated({site: roundings[site, encoding]})
            self.simulations += len(self.studied.samples)
            self.ledger.put("alone", name, found)
        return float(found)


def known_ranges(space: Space, ledger: Ledger) -> bool:
    """Whether ``ledger`` has all that :func:`kept_ranges` finds."""
    configs = [named(each.solution.encodings) for each in space.uniforms]
    return ledger.get("ranges", "all") is not None and all(ledger.get("config", name) is not None for name in configs)


def kept_ranges(measuring: Measuring, watched: Watched | None, stages: Stages) -> Calibrated:
    """Scales and zero points of every encoding, and what the uniform configs measure: from the ledger, or where that
    does not have all, as ``watched`` has them."""
    studied, ledger = measuring.studied, measuring.ledger
    measured = {each.name: ledger.get("config", named(each.solution.encodings)) for each in studied.space.uniforms}
    known = {name: Measured(*record) for name, record in measured.items() if record is not None}
    records = ledger.get("ranges", "all")
    if watched is None:
        assert records is not None, "it has all"
        return Calibrated(_roundings(records, studied), known)

    def measure(uniform: Uniform, model: GraphModule) -> Measured:
        return known.get(uniform.name) or measuring.converted(uniform.solution.encodings, model)

    found = watched.calibrated(measure, stages)
    ledger.put("ranges", "all", _records(found.roundings))
    return found


def _records(roundings: Mapping[Key, Rounding]) -> dict[str, Any]:
    """Each rounding once, and by site and encoding which it is."""
    places: dict[int, int] = {}
    each: list[dict[str, Any]] = []
    at = []
    for (site, encoding), rounding in roundings.items():
        if id(rounding) not in places:
            places[id(rounding)] = len(each)
            each.append(rounding_record(rounding))
        at.append([site.node, site.user, encoding.name, places[id(rounding)]])
    return {"roundings": each, "at": at}


def _roundings(records: Mapping[str, Any], studied: Studied) -> dict[Key, Rounding]:
    domains = studied.space.problem.domains
    found: dict[Key, Rounding] = {}
    known: dict[tuple[int, Encoding], Rounding] = {}
    for node, user, name, place in records["at"]:
        site = Site(node, user)
        encoding = next(each for each in domains[site] if each.name == name)
        if (place, encoding) not in known:
            known[place, encoding] = rounding_from(encoding, records["roundings"][place])
        found[site, encoding] = known[place, encoding]
    return found
