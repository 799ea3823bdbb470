"""A first solution of a wide component, by python-constraint with our own filter as its constraint."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, cast

import constraint
import numpy as np

from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.optimum.dense import Dense, Values
from qnnsolve.solver.optimum.factors import Table

__all__ = ["first_solution"]


class _Exhausted(Exception):
    """The search used up its steps."""


class _Filter(constraint.Constraint):  # type: ignore[misc]  # the library ships no types
    """One factor as python-constraint sees it: an entry exists that fits what is assigned and still possible."""

    def __init__(self, allowed: Table, budget: list[int], clock: Clock) -> None:
        self._allowed, self._budget, self._clock = allowed, budget, clock

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
        self._clock.check()
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


def first_solution(dense: Dense, steps: int, clock: Clock) -> Values | None:
    """Some solution, cheap values first, found by python-constraint; ``None`` is a proof that there is none.

    Raises:
        LimitReached: ``steps`` filter calls did not suffice, or the time is over.
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
            problem.addConstraint(_Filter(table < dense.forbidden, budget, clock), scope)
    try:
        return cast("Values | None", problem.getSolution())
    except _Exhausted:
        raise LimitReached(f"search steps={steps}") from None
