"""Constraints that differ in their sites alone, found without making those that repeat: :func:`numbered`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import attrs

from qnnsolve.constraints import (
    Allow,
    Constraint,
    Constraints,
    Convertible,
    Derived,
    Forbid,
    Prefer,
    Same,
    Site,
    Table,
)
from qnnsolve.constraints.repeats import Repeats

__all__ = ["KINDS", "Numbered", "NumberedSaid", "Numbering", "numbered"]

KINDS = {kind: rank for rank, kind in enumerate((Same, Allow, Forbid, Table, Derived, Convertible, Prefer))}
"""The classes of constraints, in canonical order."""
Numbered: TypeAlias = tuple[tuple[int, ...], int]
"""The sites of a constraint by number, and which of the constraints it is that differ in more than their sites."""
NumberedPlace: TypeAlias = tuple[int, tuple[int, ...]]
"""A kind of place, and the sites there by number (-1: no candidates)."""
NumberedSaid: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
"""Of a kind of place which constraints are said, each with the columns of the place that it names."""


@attrs.frozen(eq=False, slots=False)
class Numbering:
    """The constraints of a problem as numbers.

    ``first`` has one of those that differ in their sites alone. ``parts`` has what is said of places, part by part as
    the problem has them; parts about the same places have one object of them.
    """

    first: Sequence[Constraint]
    parts: Sequence[tuple[Sequence[NumberedPlace], Mapping[int, NumberedSaid]]]

    def __iter__(self) -> Iterator[Numbered]:
        """Every constraint, in the problem's order."""
        for places, said in self.parts:
            for kind, sites in places:
                for number, columns in said[kind]:
                    yield tuple([sites[column] for column in columns]), number

    @cached_property
    def met(self) -> Counter[int]:
        """How many constraints there are of each number."""
        found: Counter[int] = Counter()
        for places, said in self.together():
            for kind, often in Counter([kind for kind, _ in places]).items():
                for number, _ in said.get(kind, ()):
                    found[number] += often
        return found

    def together(self) -> Iterator[tuple[Sequence[NumberedPlace], Mapping[int, NumberedSaid]]]:
        """What all parts about the same places say."""
        places = {id(each): each for each, _ in self.parts}
        said: dict[int, dict[int, NumberedSaid]] = {key: {} for key in places}
        for each, told in self.parts:
            joined = said[id(each)]
            for kind, entries in told.items():
                joined[kind] = joined.get(kind, ()) + entries
        return ((places[key], said[key]) for key in places)


def numbered(constraints: Sequence[Constraint], at: Mapping[Site, int]) -> Numbering:
    """The constraints by number; ``at`` numbers the sites."""
    first: list[Constraint] = []
    numbers: dict[tuple[int, ...], int] = {}

    def number(c: Constraint) -> int:
        # Sites apart, two constraints of one class that share their other objects say the same.
        key = (KINDS[type(c)], id(_told(c)), id(c.reason), c.price if isinstance(c, Convertible) else 0)
        found = numbers.setdefault(key, len(first))
        if found == len(first):
            first.append(c)
        return found

    found = []
    known: dict[int, list[NumberedPlace]] = {}
    for part in constraints.parts if isinstance(constraints, Constraints) else (constraints,):
        said: dict[int, NumberedSaid]
        if isinstance(part, Repeats):
            said = {kind: tuple([(number(c), columns) for c, columns in told]) for kind, told in part.said.items()}
            places = known.get(id(part.places))
            if places is None:
                sites_at = [(kind, tuple([at.get(site, -1) for site in sites])) for kind, sites in part.places]
                places = known[id(part.places)] = sites_at
        else:  # each is a place of its own, of which it alone is said
            kinds: dict[tuple[int, int], int] = {}
            places, said = [], {}
            for c in part:
                sites, one = tuple([at[site] for site in c.sites]), number(c)
                kind = kinds.setdefault((one, len(sites)), len(kinds))
                said[kind] = ((one, tuple(range(len(sites)))),)
                places.append((kind, sites))
        found.append((places, said))
    return Numbering(first, found)


def _told(constraint: Constraint) -> object:
    """What a constraint says of its sites."""
    match constraint:
        case Same():
            return None
        case Prefer(costs=costs):
            return costs
        case Convertible(pairs=pairs):
            return pairs
        case Table(relation=relation) | Derived(relation=relation):
            return relation
        case Allow(encodings=encodings) | Forbid(encodings=encodings):
            return encodings
