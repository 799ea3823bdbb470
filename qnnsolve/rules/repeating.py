"""Rules about one call at a time, asked once for each kind of call: :func:`call_rule`.

Such a rule is a generator over a :class:`~qnnsolve.rules.kinds.Call`. What it yields about the first call of a kind is
repeated at the others, with their sites.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TypeAlias

from qnnsolve.constraints import Allow, Constraint, Convertible, Derived, Forbid, Prefer, Same, Site, Table
from qnnsolve.rules.base import Facts
from qnnsolve.rules.kinds import Call
from qnnsolve.rules.registry import Rule, rule
from qnnsolve.sources import Source

__all__ = ["at_each_call", "call_rule"]

Generator: TypeAlias = Callable[[Call], Iterator[Constraint]]
Repeated: TypeAlias = Callable[[tuple[Site, ...]], Constraint]
"""Makes a constraint from the sites of a call."""


def call_rule(code: str, rests_on: tuple[str | Source, ...] = ()) -> Callable[[Generator], Rule]:
    """As :func:`~qnnsolve.rules.registry.rule`, for a generator over one call."""

    def wrap(generate: Generator) -> Rule:
        @functools.wraps(generate)
        def everywhere(facts: Facts) -> Iterator[Constraint]:
            return at_each_call(facts, generate)

        return rule(code, rests_on)(everywhere)

    return wrap


def at_each_call(facts: Facts, generate: Generator) -> Iterator[Constraint]:
    """What ``generate`` yields about each call, in the order of the graph."""
    known: dict[int, list[Repeated]] = {}
    for kind, call in facts.each_call:
        repeated = known.get(kind)
        if repeated is None:
            known[kind] = []
            for constraint in generate(call):
                known[kind].append(_repeated(constraint, call.sites))
                yield constraint
        else:
            for make in repeated:
                yield make(call.sites)


def _repeated(constraint: Constraint, sites: tuple[Site, ...]) -> Repeated:
    """How to make ``constraint``, which names ``sites`` only, about another call."""
    reason = constraint.reason
    for site in constraint.sites:
        if site not in sites:
            raise ValueError(f"a rule about one call sees that call alone, and {reason.rule} names {site}")
    at = [sites.index(site) for site in constraint.sites]
    first = at[0]
    match constraint:
        case Prefer(costs=costs):
            return lambda sites: Prefer(sites[first], costs, reason)
        case Table(relation=relation):
            return lambda sites: Table(tuple([sites[each] for each in at]), relation, reason)
        case Convertible(pairs=pairs, price=price):
            return lambda sites: Convertible(sites[first], sites[at[1]], pairs, price, reason)
        case Same():
            return lambda sites: Same(tuple([sites[each] for each in at]), reason)
        case Derived(relation=relation):
            return lambda sites: Derived(sites[at[-1]], tuple([sites[each] for each in at[:-1]]), relation, reason)
        case Allow(encodings=encodings):
            return lambda sites: Allow(sites[first], encodings, reason)
        case Forbid(encodings=encodings):
            return lambda sites: Forbid(sites[first], encodings, reason)
