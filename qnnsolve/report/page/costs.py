"""What each node pays under a solution: the cost of the whole, by the node that owns the port."""

from __future__ import annotations

from collections.abc import Mapping

from qnnsolve.constraints import Constraint, Convertible, Derived, Prefer, Problem, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.rules.base import Facts

__all__ = ["cost_by_node"]


def cost_by_node(facts: Facts, problem: Problem, encodings: Mapping[Site, Encoding]) -> dict[str, int]:
    """The price of the constraints at each node that pays one; together the cost of the solution.

    A convert counts at the node that reads the edge, a table at the node whose op it is of.
    """
    found: dict[str, int] = {}
    for constraint in problem.constraints if encodings else ():
        price = _price(constraint, encodings)
        if price:
            owner = facts.owner(constraint.sites[-1])
            found[owner] = found.get(owner, 0) + price
    return found


def _price(constraint: Constraint, encodings: Mapping[Site, Encoding]) -> int:
    match constraint:
        case Prefer():
            return dict(constraint.costs).get(encodings[constraint.site], 0)
        case Convertible():
            return 0 if encodings[constraint.source] == encodings[constraint.target] else constraint.price
        case Table() | Derived():
            return constraint.relation.price_of[tuple([encodings[site] for site in constraint.sites])]
        case _:
            return 0
