"""The legal configs around a node, the cheapest first: :func:`alternatives`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property

import attrs

from qnnsolve.constraints import Allow, Constraint, Prefer, Problem, Relation, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import Node
from qnnsolve.questions.answers import Alternative, Alternatives
from qnnsolve.questions.opened import QUESTION, Opened
from qnnsolve.questions.prices import tips
from qnnsolve.reasons import Reason
from qnnsolve.solver import Solution, Unknown, Unsatisfiable, solve
from qnnsolve.solver.configs import configs
from qnnsolve.sources import Source, SourceKind

__all__ = ["alternatives"]

LISTED = 100_000
"""So many configs of a node's own ports are put in order."""
SOLVES = 60
"""So many are solved, the ones that deviate the least first."""


def alternatives(opened: Opened, node: Node, *, within: int | None = None, limit: int = 10) -> Alternatives:
    """What the ports of ``node`` can have together, each with the price of the best whole config that has it.

    Args:
        opened: the answer whose cost is price 0.
        node: a node that carries a float.
        within: no dearer ones than this; None: at any price.
        limit: so many are told. What was cut off is said.

    Raises:
        UsageError: the node carries no float, so there is nothing to choose.
    """
    ports = opened.sites_of.get(node.name, ())
    if not ports:
        raise UsageError(f"{node.name} carries no float, so there is nothing to choose")
    search = _Search(opened, {site: port.name for port, site in ports}, within, limit)
    found, tried, cut_off = search.run()
    return Alternatives(
        node=node.name,
        target=node.target,
        module_path=node.module_path,
        line="" if node.line is None else str(node.line),
        found=tuple(found),
        tried=tried,
        within=within,
        limit=limit,
        cut_off=cut_off,
    )


@attrs.frozen(eq=False, slots=False)
class _Search:
    opened: Opened
    names: Mapping[Site, str]
    within: int | None
    limit: int

    def run(self) -> tuple[list[Alternative], int, str]:
        """The cheapest, how many were solved, and what was cut off."""
        listed = list(itertools.islice(self._local(), LISTED + 1))
        cut_off = f"only {LISTED:,} combinations of its ports were looked at" if len(listed) > LISTED else ""
        ordered = sorted(listed[:LISTED], key=lambda each: (self._own_cost(each), [*each.values()]))
        least = self._rest()
        found: list[Alternative] = []
        tried = 0
        for config in ordered:
            bound = least + self._own_cost(config) - self.opened.solution.cost
            if self.within is not None and bound > self.within:
                break
            if len(found) >= self.limit and bound >= found[self.limit - 1].price:
                cut_off = cut_off or f"the cheapest {self.limit}: no other costs less than the last of them"
                break
            if tried == SOLVES:
                cut_off = f"{SOLVES} of {len(ordered)} combinations were solved; a cheaper one may be among the others"
                break
            tried += 1
            outcome = self._solved(config)
            if isinstance(outcome, Unknown):
                cut_off = cut_off or f"stopped at {outcome.limit} in one of the solves"
            elif isinstance(outcome, Solution):
                found.append(self._told(config, outcome))
                found.sort(key=lambda each: (each.price, each.encodings))
        kept = [each for each in found if self.within is None or each.price <= self.within]
        if len(kept) > self.limit:
            cut_off = cut_off or f"the cheapest {self.limit}: no other costs less than the last of them"
        return kept[: self.limit], tried, cut_off

    @cached_property
    def _over_them(self) -> tuple[Constraint, ...]:
        """The constraints over these ports alone."""
        return tuple(c for c in self.opened.problem.constraints if all(site in self.names for site in c.sites))

    def _local(self) -> Iterator[dict[Site, Encoding]]:
        """Configs of the node's own ports, of what propagation leaves at each."""
        solution, domains = self.opened.solution, self.opened.problem.domains
        candidates = {
            site: [each for each in domains[site] if not solution.why_removed(site, each)] for site in self.names
        }
        for found in configs(candidates, self._over_them):
            yield {site: found[site] for site in self.names}

    def _own_cost(self, config: Mapping[Site, Encoding]) -> int:
        """What the constraints over these ports alone cost."""
        return sum(_paid(each, config) for each in self._priced)

    @cached_property
    def _priced(self) -> tuple[Prefer | Table, ...]:
        return tuple(each for each in self._over_them if isinstance(each, Prefer | Table))

    def _rest(self) -> int:
        """The least that all other constraints cost, whatever these ports have."""
        own = set(map(id, self._priced))
        others = (_for_nothing(c) if id(c) in own else c for c in self.opened.problem.constraints)
        problem = Problem(self.opened.problem.domains, tuple(others))
        outcome = solve(problem, self.opened.limits)
        return outcome.lower_bound if isinstance(outcome, Solution) else 0

    def _solved(self, config: Mapping[Site, Encoding]) -> Solution | Unsatisfiable | Unknown:
        if all(self.opened.encodings[site] == encoding for site, encoding in config.items()):
            return self.opened.solution
        pins = (Allow(site, frozenset({encoding}), _ASKED) for site, encoding in config.items())
        return self.opened.solved_with(pins)

    def _told(self, config: Mapping[Site, Encoding], outcome: Solution) -> Alternative:
        encodings = tuple((self.names[site], encoding.name) for site, encoding in config.items())
        parts = tips(self.opened, outcome.encodings)
        chosen = all(self.opened.encodings[site] == encoding for site, encoding in config.items())
        return Alternative(encodings, outcome.cost - self.opened.solution.cost, chosen, parts)


_ASKED = Reason.in_words(QUESTION, "an alternative", (Source(SourceKind.USER, "this question"),))


def _paid(each: Prefer | Table, config: Mapping[Site, Encoding]) -> int:
    if isinstance(each, Prefer):
        return sum(cost for encoding, cost in each.costs if encoding == config[each.site])
    return each.relation.price_of[tuple(config[site] for site in each.sites)]


def _for_nothing(each: Constraint) -> Constraint:
    if isinstance(each, Prefer):
        return attrs.evolve(each, costs=())
    assert isinstance(each, Table)
    rows = tuple(each.relation.price_of)
    return attrs.evolve(each, relation=Relation(rows, (0,) * len(rows)))
