"""Components too wide for elimination: python-constraint looks for a first solution, HiGHS for the cheapest."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import attrs
import constraint
import numpy as np

from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.factors import Table
from qnnsolve.solver.milp import Infeasible, Milp

__all__ = ["Dense", "WideOutcome", "cheapest", "first_solution"]

Values = dict[int, int]


@attrs.frozen(eq=False)
class Dense:
    """Factors over variables 0.. of ``sizes`` values each; an entry of ``forbidden`` or more cannot be."""

    sizes: tuple[int, ...]
    factors: tuple[tuple[Table, tuple[int, ...]], ...]
    forbidden: int

    def cost(self, values: Mapping[int, int]) -> int | None:
        """The exact sum, or ``None`` where something forbidden is taken."""
        total = 0
        for table, scope in self.factors:
            entry = int(table[tuple([values[v] for v in scope])])
            if entry >= self.forbidden:
                return None
            total += entry
        return total

    def capped(self, most: int) -> Dense:
        """The same without the entries above ``most``: none of them can be in a solution of that cost."""
        factors = tuple((np.where(t > most, self.forbidden, t).astype(t.dtype), scope) for t, scope in self.factors)
        return Dense(self.sizes, factors, self.forbidden)


@attrs.frozen
class WideOutcome:
    """Values by variable, their cost, and a proven lower bound."""

    values: Values
    cost: int
    bound: int
    nodes: int


class _Exhausted(Exception):
    """The search used up its steps."""


class _Filter(constraint.Constraint):  # type: ignore[misc]  # the library ships no types
    """One factor as python-constraint sees it: an entry exists that fits what is assigned and still possible."""

    def __init__(self, allowed: Table, budget: list[int]) -> None:
        self._allowed = allowed
        self._budget = budget

    def __call__(
        self,
        variables: Sequence[Hashable],
        domains: dict[Hashable, Any],
        assignments: dict[Hashable, int],
        forwardcheck: bool = False,
        _unassigned: object = None,
    ) -> bool:
        """Whether the constraint can still hold; hides what it cannot support when ``forwardcheck``."""
        self._budget[0] -= 1
        if self._budget[0] < 0:
            raise _Exhausted
        choices = [[assignments[v]] if v in assignments else list(domains[v]) for v in variables]
        if not all(choices):
            return False
        left: Table = self._allowed[np.ix_(*choices)]
        if not left.any():
            return False
        if forwardcheck:
            for axis, v in enumerate(variables):
                if v not in assignments:
                    others = tuple(a for a in range(left.ndim) if a != axis)
                    supported = np.asarray(left.any(axis=others))
                    for place, value in enumerate(choices[axis]):
                        if not supported[place]:
                            domains[v].hideValue(value)
        return True


def first_solution(dense: Dense, steps: int) -> Values | None:
    """Some solution, cheap values first, found by python-constraint; ``None`` is a proof that there is none.

    Raises:
        LimitReached: ``steps`` filter calls did not suffice.
    """
    if not dense.sizes:
        return {}
    budget = [steps]
    problem = constraint.Problem(constraint.BacktrackingSolver())
    single: dict[int, list[int]] = {v: [0] * size for v, size in enumerate(dense.sizes)}
    for table, scope in dense.factors:
        for axis, v in enumerate(scope):
            least = table.min(axis=tuple(a for a in range(table.ndim) if a != axis)).tolist()
            single[v] = [a + b for a, b in zip(single[v], least, strict=True)]
    for v, costs in single.items():
        domain = sorted((value for value in range(len(costs)) if costs[value] < dense.forbidden), key=costs.__getitem__)
        if not domain:
            return None
        problem.addVariable(v, domain[::-1])  # the last value is tried first
    for table, scope in dense.factors:
        if len(scope) > 1:
            problem.addConstraint(_Filter(table < dense.forbidden, budget), scope)
    try:
        return cast("Values | None", problem.getSolution())
    except _Exhausted:
        raise LimitReached(f"search steps={steps}") from None


def _smallest(milp: Milp, dense: Dense, values: Values, cost: int, clock: Clock) -> Values:
    """The lexicographically smallest values of that cost, by asking for a smaller one place after place."""
    for v in range(len(dense.sizes)):
        while values[v] > 0 and not clock.expired:
            answer = milp.solve(clock.remaining, below=(v, values[v]))
            if isinstance(answer, Infeasible) or answer.values is None or dense.cost(answer.values) != cost:
                break
            values = answer.values
        milp.fix(v, values[v])
    return values


def cheapest(dense: Dense, clock: Clock, canonical: int = 64, steps: int = 20_000) -> WideOutcome | None:
    """The cheapest values, with a bound; ``None`` is a proof that nothing is possible.

    Among equals the lexicographically smallest, if the optimum is proven and there are at most ``canonical``
    variables (beyond that, HiGHS's own pick, which is a function of the problem).

    Raises:
        LimitReached: nothing was found in time.
    """
    first: Values | None = None
    try:
        first = first_solution(dense, steps)
        if first is None:
            return None
    except LimitReached:
        clock.check()
    known = None if first is None else dense.cost(first)
    milp = Milp.of(dense if known is None else dense.capped(known))
    answer = milp.solve(clock.remaining)
    if isinstance(answer, Infeasible):
        if known is None:
            return None
        answer = attrs.evolve(milp.nothing, bound=0)
    candidates = [(dense.cost(v), v) for v in (answer.values, first) if v is not None]
    found = [(cost, values) for cost, values in candidates if cost is not None]
    if not found:
        clock.check()
        raise LimitReached("HiGHS found no solution")
    cost, values = min(found, key=lambda pair: pair[0])
    bound = min(cost, math.ceil(answer.bound))
    if answer.finished and len(dense.sizes) <= canonical:
        values = _smallest(milp, dense, values, cost, clock)
    return WideOutcome(values, cost, bound, answer.nodes)
