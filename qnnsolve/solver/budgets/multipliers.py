"""The Lagrangian bound of a query: budgets become prices, the elimination answers, and cutting planes find the prices.

Of all prices (>= 0) of the limits the best make the least of ``weights @ amounts + prices @ (rows @ amounts - limits)``
the largest. Whatever they are, that is a bound of what the query asks for (Geoffrion 1974).
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.query import HOLDS, ImpossibleBudget, Query
from qnnsolve.solver.budgets.rounds import Priced, Rounds
from qnnsolve.solver.clock import Clock

__all__ = ["Dual", "dual"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_STEPS = 150
_CLOSE = 1e-7
"""The search for prices ends where better ones could raise the bound by no more than this share of it."""
_ROUNDING = 1e-12
"""So much of what was summed up may be rounding."""
_FARTHEST = 1e9
"""No price makes all of a limit worth more than this many objectives."""


@attrs.frozen(eq=False)
class Dual:
    """The bound, the prices that prove it, what the elimination said at these, and the best values met that hold."""

    bound: float
    prices: Floats
    at: Priced
    values: Places | None
    objective: float


def dual(query: Query, rounds: Rounds, clock: Clock, start: Places | None = None) -> Dual | ImpossibleBudget:
    """The Lagrangian bound at the best prices; at the best so far where the time ends the search."""
    return _Search(query, rounds, start).run(clock)


class _Search:
    def __init__(self, query: Query, rounds: Rounds, start: Places | None) -> None:
        self._query, self._rounds = query, rounds
        amounts, base = rounds.columns.amounts, query.core.base
        self._most = query.most
        self._costs, self._sums = amounts @ query.weights, query.rows @ amounts.T
        barred = (self._sums > np.maximum(self._most - query.rows @ base, 0.0)[:, None]).any(axis=0)
        self._costs[barred] = np.inf
        self._base = float(query.weights @ base)
        self._ceiling = self._base + self._dearest()
        self._unit = np.where(self._most > 0, self._most, 1.0)
        self.values, self.objective = start, np.inf
        if start is not None:
            self._meet(start)
        self._cuts: list[tuple[float, Floats]] = []
        self._best: tuple[float, Floats, Priced | None] = -np.inf, np.zeros(len(self._most)), None

    def _dearest(self) -> float:
        """No objective is larger."""
        columns, costs = self._rounds.columns, np.where(np.isfinite(self._costs), self._costs, 0.0)
        bounds = np.concatenate([columns.starts[:-1], columns.firsts[:-1]])
        return float(np.maximum.reduceat(costs, bounds).sum()) if len(bounds) else 0.0

    def _meet(self, values: Places) -> None:
        objective = self._query.objective(values)
        if objective is not None and objective < self.objective:
            self.values, self.objective = values, objective

    def _at(self, prices: Floats) -> float:
        """The bound at these prices; a cut for the others comes with it. Infinity proves that nothing holds."""
        query = self._query
        answer = self._rounds.price(self._costs + prices @ self._sums)
        if answer.least == np.inf:
            return np.inf
        self._cut(answer.values)
        charged = float(prices @ np.abs(self._most)) + float(prices @ (query.rows @ query.core.base))
        total = answer.least + self._base + float(prices @ (query.rows @ query.core.base - self._most))
        bound = total - _ROUNDING * (abs(answer.least) + abs(self._base) + charged)
        if bound > self._best[0]:
            self._best = bound, prices, answer
        return bound

    def run(self, clock: Clock) -> Dual | ImpossibleBudget:
        count = len(self._most)
        left = self._most - self._query.rows @ self._query.core.base
        if (left < 0).any() or self._at(np.zeros(count)) == np.inf:
            return ImpossibleBudget()
        if not count or (self._cuts[0][1] <= 0).all():
            return self._found()
        if self._least_shares() > HOLDS * count:
            return ImpossibleBudget()
        reference = max(self._ceiling * 1e-9, abs(self._cuts[0][0]), 1e-300)
        farthest = 10.0
        for _ in range(_STEPS):
            if clock.expired:
                break
            most, scaled = self._master(reference, farthest)
            if self._at(scaled * reference / self._unit) > self._ceiling * (1 + HOLDS):
                return ImpossibleBudget()
            inside = bool(scaled.max() < farthest * (1 - HOLDS))
            if inside and most * reference - self._best[0] <= _CLOSE * abs(self._best[0]):
                break
            if not inside:
                farthest *= 10.0
                if farthest > _FARTHEST:
                    break
        return self._found()

    def _least_shares(self) -> float:
        """By how much the limits are exceeded at least, all together, each as a share of its most."""
        shares = (1.0 / self._unit) @ self._sums
        answer = self._rounds.price(np.where(np.isinf(self._costs), np.inf, shares))
        return float(self._cut(answer.values).sum())

    def _cut(self, values: Places) -> Floats:
        """What these values say of all prices; how far they exceed each limit, as a share of its most."""
        amounts = self._query.amounts(values)
        assert amounts is not None, "the elimination keeps to the rows"
        self._meet(values)
        over: Floats = (self._query.rows @ amounts - self._most) / self._unit
        self._cuts.append((float(self._query.weights @ amounts), over))
        return over

    def _found(self) -> Dual:
        bound, prices, at = self._best
        assert at is not None, "no price was tried"
        return Dual(bound, prices, at, self.values, self.objective)

    def _master(self, reference: float, farthest: float) -> tuple[float, Floats]:
        """The prices at which all cuts together allow the largest bound, and that bound; both scaled."""
        from scipy.optimize import linprog

        count = len(self._most)
        left = np.array([[1.0, *-over] for _, over in self._cuts])
        right = np.array([objective / reference for objective, _ in self._cuts])
        bounds = [(None, None), *[(0.0, farthest)] * count]
        result = linprog(np.array([-1.0, *[0.0] * count]), left, right, bounds=bounds, method="highs")
        if result.status != 0:
            return np.inf, np.full(count, farthest)
        return float(result.x[0]), np.maximum(np.asarray(result.x[1:], np.float64), 0.0)
