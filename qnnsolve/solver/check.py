"""A second opinion: is a config legal, and what does it cost? Plain loops; shares no code with the solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import attrs

from qnnsolve.constraints import (
    Allow,
    Constraint,
    Convertible,
    Derived,
    Forbid,
    Prefer,
    Problem,
    Same,
    Site,
    Table,
)
from qnnsolve.encodings import Encoding

__all__ = ["CheckVerdict", "check"]


@attrs.frozen(eq=False)
class CheckVerdict:
    """What a config violates (constraints, and sites outside their domain), and the sum of its prices.

    ``cost`` is ``None`` if anything is violated: an illegal config has no price.
    """

    violations: tuple[Constraint | Site, ...]
    cost: int | None

    @property
    def legal(self) -> bool:
        """Whether nothing is violated."""
        return not self.violations


def check(problem: Problem, encodings: Mapping[Site, Encoding]) -> CheckVerdict:
    """Test ``encodings`` against every domain and constraint of ``problem``.

    Raises:
        KeyError: a site of the problem has no encoding.
    """
    violations: list[Constraint | Site] = []
    cost = 0
    for site, domain in problem.domains.items():
        if encodings[site] not in domain:
            violations.append(site)
    for constraint in problem.constraints:
        price = _price(constraint, encodings)
        if price is None:
            violations.append(constraint)
        else:
            cost += price
    return CheckVerdict(tuple(violations), None if violations else cost)


def _price(constraint: Constraint, encodings: Mapping[Site, Encoding]) -> int | None:
    """What one constraint charges; ``None`` if it is violated."""
    chosen = tuple(encodings[site] for site in constraint.sites)
    match constraint:
        case Allow():
            return 0 if chosen[0] in constraint.encodings else None
        case Forbid():
            return None if chosen[0] in constraint.encodings else 0
        case Same():
            return 0 if all(encoding == chosen[0] for encoding in chosen) else None
        case Table() | Derived():
            rows = zip(constraint.relation.rows, constraint.relation.prices, strict=True)
            return min((price for row, price in rows if row == chosen), default=None)
        case Convertible():
            if chosen[0] == chosen[1]:
                return 0
            return constraint.price if chosen in constraint.pairs else None
        case Prefer():
            return sum(cost for encoding, cost in constraint.costs if encoding == chosen[0])
        case _:
            assert_never(constraint)
