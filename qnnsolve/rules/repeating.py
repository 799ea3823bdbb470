"""Rules about one call at a time, asked once for each kind of call: :func:`call_rule`.

Such a rule is a generator over a :class:`~qnnsolve.rules.kinds.Call`. What it yields about the first call of a kind is
repeated at the others, with their sites.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from qnnsolve.constraints import Constraint, Site
from qnnsolve.constraints.repeats import Repeats, Said
from qnnsolve.rules.base import Facts
from qnnsolve.rules.kinds import Call, first_calls
from qnnsolve.rules.registry import Rule
from qnnsolve.sources import Source

__all__ = ["at_each_call", "call_rule"]

CallGenerator: TypeAlias = Callable[[Call], Iterable[Constraint]]


def call_rule(code: str, rests_on: tuple[str | Source, ...] = ()) -> Callable[[CallGenerator], Rule]:
    """As :func:`~qnnsolve.rules.registry.rule`, for a generator over one call."""

    def wrap(generate: CallGenerator) -> Rule:
        def parts(facts: Facts) -> Iterator[Repeats]:
            yield at_each_call(facts, generate)

        @functools.wraps(generate)
        def everywhere(facts: Facts) -> Iterator[Constraint]:
            return iter(at_each_call(facts, generate))

        return Rule(code, generate.__name__, everywhere, rests_on, parts)

    return wrap


def at_each_call(facts: Facts, generate: CallGenerator) -> Repeats:
    """What ``generate`` yields about each call, in the order of the graph.

    Raises:
        ValueError: it names a site that is none of the call.
    """
    said = {kind: [_said(each, call.sites) for each in generate(call)] for kind, call in first_calls(facts).items()}
    return Repeats(facts.places, said)


def _said(constraint: Constraint, sites: tuple[Site, ...]) -> Said:
    for site in constraint.sites:
        if site not in sites:
            code = constraint.reason.rule
            raise ValueError(f"a rule about one call sees that call alone, and {code} names {site}")
    return constraint, tuple(map(sites.index, constraint.sites))
