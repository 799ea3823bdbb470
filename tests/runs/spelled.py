"""Constraints and removals with all that they say, to be compared."""

from __future__ import annotations

from typing import Any

from qnnsolve.constraints import Convertible, Derived, Prefer, Relation, Same, Table


def spelled(problem: Any) -> list[tuple[object, ...]]:
    """Every constraint with all that it says; relations compare by identity."""
    return [(type(c).__name__, c.sites, _says(c), c.reason) for c in problem.constraints]


def _says(constraint: Any) -> object:
    match constraint:
        case Table() | Derived():
            relation: Relation = constraint.relation
            return relation.rows, relation.prices
        case Convertible():
            return constraint.pairs, constraint.price
        case Prefer():
            return constraint.costs
        case Same():
            return None
    return constraint.encodings


def removal(each: Any) -> tuple[object, ...]:
    shared = tuple(same.sites for same in each.shared)
    return each.site, each.encoding, each.constraint.sites, each.constraint.reason, each.because, shared
