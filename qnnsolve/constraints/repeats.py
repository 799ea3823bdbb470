"""Constraints that say the same at many places, kept as one and made when somebody asks: :class:`Constraints`.

A solve needs what a constraint says and where, and never the object: of some hundred thousand constraints of a large
graph those alone are made that a report, a question or a kept run is about.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias, TypeVar, overload

import attrs

from qnnsolve.constraints.kinds import Allow, Constraint, Convertible, Derived, Forbid, Prefer, Same, Site, Table

__all__ = ["Constraints", "Place", "Repeats", "Said", "at_sites", "firsts", "of_type"]

C = TypeVar("C", bound=Constraint)
Place: TypeAlias = tuple[int, tuple[Site, ...]]
"""A kind of place, and the sites there."""
Said: TypeAlias = tuple[Constraint, tuple[int, ...]]
"""A constraint as it was said of the first place of a kind, and which of that place's sites it names, in order."""


def at_sites(constraint: Constraint, sites: tuple[Site, ...]) -> Constraint:
    """``constraint``, said of ``sites`` in place of its own."""
    reason = constraint.reason
    match constraint:
        case Prefer(costs=costs):
            return Prefer(sites[0], costs, reason)
        case Table(relation=relation):
            return Table(sites, relation, reason)
        case Convertible(pairs=pairs, price=price):
            return Convertible(sites[0], sites[1], pairs, price, reason)
        case Same():
            return Same(sites, reason)
        case Derived(relation=relation):
            return Derived(sites[-1], sites[:-1], relation, reason)
        case Allow(encodings=encodings):
            return Allow(sites[0], encodings, reason)
        case Forbid(encodings=encodings):
            return Forbid(sites[0], encodings, reason)


@attrs.frozen(eq=False)
class Repeats:
    """What one rule says: of each of ``places`` all that it ``said`` of that kind of place."""

    places: Sequence[Place]
    said: Mapping[int, Sequence[Said]]

    def __iter__(self) -> Iterator[Constraint]:
        """In the order of the places."""
        met: set[int] = set()
        for kind, sites in self.places:
            for first, columns in self.said[kind]:
                yield at_sites(first, tuple([sites[at] for at in columns])) if kind in met else first
            met.add(kind)

    def picked(self, wanted: Callable[[Constraint], bool]) -> Iterator[Constraint]:
        """Those that are ``wanted``, whatever sites they are said of."""
        said = {kind: [each for each in told if wanted(each[0])] for kind, told in self.said.items()}
        found = [(kind, sites) for kind, sites in self.places if said[kind]] if any(said.values()) else ()
        return iter(Repeats(found, said))


class Constraints(Sequence[Constraint]):
    """The constraints of ``parts``, one after another; those that repeat are made at the first look at any."""

    def __init__(self, parts: Iterable[tuple[Constraint, ...] | Repeats]) -> None:
        self.parts = tuple(parts)

    @cached_property
    def _all(self) -> tuple[Constraint, ...]:
        return tuple(itertools.chain.from_iterable(self.parts))

    @overload
    def __getitem__(self, index: int) -> Constraint: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Constraint, ...]: ...
    def __getitem__(self, index: int | slice) -> Constraint | tuple[Constraint, ...]:
        return self._all[index]

    def __iter__(self) -> Iterator[Constraint]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def firsts(constraints: Sequence[Constraint]) -> Iterator[Constraint]:
    """Each constraint, of those that repeat one only."""
    for part in constraints.parts if isinstance(constraints, Constraints) else (constraints,):
        if isinstance(part, Repeats):
            yield from (first for told in part.said.values() for first, _ in told)
        else:
            yield from part


def of_type(constraints: Sequence[Constraint], wanted: type[C], rule: str | None = None) -> Iterator[C]:
    """Those of one class, and of one rule where one is named; no others are made."""

    def is_meant(each: Constraint) -> bool:
        return isinstance(each, wanted) and rule in (None, each.reason.rule)

    for part in constraints.parts if isinstance(constraints, Constraints) else (constraints,):
        found = part.picked(is_meant) if isinstance(part, Repeats) else filter(is_meant, part)
        yield from (each for each in found if isinstance(each, wanted))
