"""Constraints that differ in their sites alone, found without making those that repeat: :func:`numbered`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

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

__all__ = ["KINDS", "Numbered", "numbered"]

KINDS = {kind: rank for rank, kind in enumerate((Same, Allow, Forbid, Table, Derived, Convertible, Prefer))}
"""The classes of constraints, in canonical order."""
Numbered: TypeAlias = tuple[tuple[int, ...], int]
"""The sites of a constraint by number, and which of the constraints it is that differ in more than their sites."""


def numbered(constraints: Sequence[Constraint], at: Mapping[Site, int]) -> tuple[list[Constraint], list[Numbered]]:
    """One of the constraints that differ in their sites alone, and all of them; ``at`` numbers the sites."""
    first: list[Constraint] = []
    numbers: dict[tuple[int, ...], int] = {}

    def number(c: Constraint) -> int:
        # Sites apart, two constraints of one class that share their other objects say the same.
        key = (KINDS[type(c)], id(_told(c)), id(c.reason), c.price if isinstance(c, Convertible) else 0)
        found = numbers.setdefault(key, len(first))
        if found == len(first):
            first.append(c)
        return found

    met: list[Numbered] = []
    ends: dict[int, list[tuple[int, ...]]] = {}
    for part in constraints.parts if isinstance(constraints, Constraints) else (constraints,):
        if isinstance(part, Repeats):
            told = {kind: [(number(c), columns) for c, columns in said] for kind, said in part.said.items()}
            if id(part.places) not in ends:
                ends[id(part.places)] = [tuple([at.get(site, -1) for site in sites]) for _, sites in part.places]
            for (kind, _), sites in zip(part.places, ends[id(part.places)], strict=True):
                for one, columns in told[kind]:
                    met.append((tuple([sites[column] for column in columns]), one))
        else:
            met += [(tuple([at[site] for site in c.sites]), number(c)) for c in part]
    return first, met


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
