"""From chosen values back to the words of the problem: encodings, groups, converts, and the cost, summed up again."""

from __future__ import annotations

from collections.abc import Mapping

from qnnsolve.constraints import Convertible, Site
from qnnsolve.solver.answers import Convert, Solution, Statistics, WhyRemoved
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.find import Optimum
from qnnsolve.solver.union_find import UnionFind

__all__ = ["read_solution"]


def read_solution(network: Network, optimum: Optimum, statistics: Statistics, why: WhyRemoved) -> Solution:
    """The solution that an optimum over ``network`` stands for.

    ``Same`` joins sites, and so does every edge that takes its producer's quantized encoding as it is.
    """
    model = network.model
    variable, values, unit = network.variable, optimum.values, network.model.unit
    chosen = [values[variable[site]] for site in range(len(model.sites))]
    quantized = [encoding.quantized for encoding in model.encodings]
    shared = UnionFind(range(len(network.initial)))
    breakdown: dict[tuple[str, str], int] = {}
    converts: list[Convert] = []
    for where, kind in zip(model.where, model.kinds, strict=True):
        price = 0
        if kind.type is Convertible:
            source, target = chosen[where[0]], chosen[where[1]]
            if source == target:
                if quantized[source]:
                    shared.join(variable[where[0]], variable[where[1]])
                continue
            price = kind.price
            ends = model.encodings[source], model.encodings[target]
            converts.append(Convert(model.sites[where[1]], *ends, price, kind.reason))
        elif kind.content is not None:
            price = kind.content.price_of[tuple([chosen[site] for site in where])] // unit
        elif kind.costs:
            price = kind.costs.get(chosen[where[0]], 0) // unit
        if price:
            key = (kind.type.__name__, kind.reason.rule)
            breakdown[key] = breakdown.get(key, 0) + price
    cost = sum(breakdown.values())
    return Solution(
        encodings={site: model.encodings[value] for site, value in zip(model.sites, chosen, strict=True)},
        groups=_groups(model, network, shared.roots()),
        converts=tuple(converts),
        cost=cost,
        breakdown=dict(sorted(breakdown.items())),
        lower_bound=min(cost, model.lower_bound(optimum.bound)),
        statistics=lambda: statistics,
        why=why,
        limit=optimum.limit,
    )


def _groups(model: Model, network: Network, tops: Mapping[int, int]) -> tuple[tuple[Site, ...], ...]:
    """Sites by the set of their variable, which ``tops`` names: in order, and ordered by their first."""
    found: dict[int, list[Site]] = {}
    for index, site in enumerate(model.sites):
        found.setdefault(tops[network.variable[index]], []).append(site)
    return tuple(map(tuple, found.values()))
