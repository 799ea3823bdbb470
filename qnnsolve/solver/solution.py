"""From chosen values back to the words of the problem: encodings, groups, converts, and the cost, summed up again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from qnnsolve.constraints import Convertible, Derived, Prefer, Site, Table
from qnnsolve.solver.answers import Convert, Solution, Statistics, WhyRemoved
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.find import Optimum
from qnnsolve.solver.union_find import UnionFind

__all__ = ["read_solution"]


def read_solution(network: Network, optimum: Optimum, statistics: Statistics, why: WhyRemoved) -> Solution:
    """The solution that an optimum over ``network`` stands for."""
    model = network.model
    chosen = [optimum.values[network.variable[site]] for site in range(len(model.sites))]
    breakdown: dict[tuple[str, str], int] = {}
    converts: list[Convert] = []
    for where, c in zip(model.where, model.constraints, strict=True):
        price = 0
        if isinstance(c, Convertible):
            source, target = chosen[where[0]], chosen[where[1]]
            if source == target:
                continue
            price = c.price
            ends = model.encodings[source], model.encodings[target]
            converts.append(Convert(c.target, *ends, price, c.reason))
        elif isinstance(c, Table | Derived):
            price = model.content(c).price_of[tuple([chosen[site] for site in where])] // model.unit
        elif isinstance(c, Prefer):
            value = model.encodings[chosen[where[0]]]
            price = sum(cost for encoding, cost in c.costs if encoding == value)
        if price:
            key = (type(c).__name__, c.reason.rule)
            breakdown[key] = breakdown.get(key, 0) + price
    cost = sum(breakdown.values())
    return Solution(
        encodings={site: model.encodings[value] for site, value in zip(model.sites, chosen, strict=True)},
        groups=_groups(model, network, chosen),
        converts=tuple(converts),
        cost=cost,
        breakdown=dict(sorted(breakdown.items())),
        lower_bound=min(cost, model.lower_bound(optimum.bound)),
        statistics=statistics,
        why=why,
        limit=optimum.limit,
    )


def _groups(model: Model, network: Network, chosen: list[int]) -> tuple[tuple[Site, ...], ...]:
    shared = UnionFind(range(len(network.initial)))
    for source, target in _shared_edges(model, chosen):
        shared.join(network.variable[source], network.variable[target])
    tops = [shared.root(network.variable[index]) for index in range(len(model.sites))]
    first = {top: index for index, top in reversed(tuple(enumerate(tops)))}
    order = sorted(range(len(tops)), key=lambda index: (first[tops[index]], index))
    grouped = itertools.groupby(order, key=tops.__getitem__)
    return tuple([tuple([model.sites[index] for index in indices]) for _, indices in grouped])


def _shared_edges(model: Model, chosen: list[int]) -> Iterable[tuple[int, int]]:
    """Both ends of every edge that takes its producer's quantized encoding as it is."""
    for where, c in zip(model.where, model.constraints, strict=True):
        if isinstance(c, Convertible):
            source, target = where
            if chosen[source] == chosen[target] and model.encodings[chosen[source]].quantized:
                yield source, target
