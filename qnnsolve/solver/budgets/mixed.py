"""A query as a mixed-integer program for HiGHS: one binary per value, one share per row of a factor, limits as rows.

HiGHS works to tolerances of about 1e-6, and amounts range over nine orders of magnitude. So the objective is scaled by
the best known one. What HiGHS finds is evaluated without it, and HiGHS is asked again without the rows that alone cost
more.
"""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.answers import PROVEN
from qnnsolve.solver.budgets.query import HOLDS, BudgetOutcome, ImpossibleBudget, Query
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.muted import muted

__all__ = ["Mixed", "least"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_SCALE, _LIMIT = 1e4, 1e3
"""What the best objective, and every limit, comes to for HiGHS."""
_DUAL = 1e-7
"""HiGHS's tolerance of reduced costs: so much may a bound be off for every variable."""
_NEAR = 1e-2
"""So much less than a step of the objective is a gap that proves it."""
_REPEATS = 20
"""So often may HiGHS return a config that exceeds a limit by its tolerance; each is then taken."""


def least(
    query: Query, clock: Clock, start: Places | None = None, *, gap: float = 0.0, multipliers: bool = True
) -> BudgetOutcome | ImpossibleBudget:
    """The least of a query, by HiGHS alone, from values that hold where some are known.

    The search ends at a relative gap of at most ``gap``. Where the time ends it, the outcome has what was found until
    then. ``multipliers`` asks for these too.
    """
    if not query.core.sizes:
        fixed = query.objective(np.zeros(0, np.int64))
        none = np.zeros(len(query.limits))
        return (
            ImpossibleBudget()
            if fixed is None
            else BudgetOutcome(np.zeros(0, np.int64), fixed, fixed, none, "milp", True)
        )
    best, objective = start, np.inf if start is None else query.objective(start)
    assert objective is not None, "the start holds"
    bound, finished = 0.0, False
    for _ in range(_REPEATS):
        mixed = Mixed.of(query, objective)
        enough = (1 - _NEAR) * query.step / (objective - mixed.base) if objective > mixed.base else 0.0
        answer = mixed.solve(clock, max(gap, enough))
        if answer.impossible and best is None:
            return ImpossibleBudget()
        bound, finished = max(bound, query.reached(answer.bound)), answer.finished
        if answer.values is None:
            break
        found = query.objective(answer.values)
        if found is None:
            query = query.without(answer.values)
        elif found < objective:
            best, objective = answer.values, found
        else:
            break
        if clock.expired or (found is not None and bound >= objective * (1 - max(gap, PROVEN))):
            break
    prices = np.zeros(len(query.limits))
    if multipliers and best is not None and len(prices):
        prices = Mixed.of(query, objective).multipliers(clock)
    return BudgetOutcome(best, objective, min(bound, objective), prices, "milp", finished)


@attrs.frozen(eq=False)
class HighsAnswer:
    """What HiGHS says: values if any, a safe bound, whether it came to its end, whether nothing is possible."""

    values: Places | None
    bound: float
    finished: bool
    impossible: bool


@attrs.frozen(eq=False)
class Mixed:
    """Minimise ``costs @ x`` where ``equal @ x == right`` and ``below @ x <= most``; x lies in 0..``upper``.

    The first ``starts[-1]`` columns are binaries. ``costs`` are those of the query times ``scale``, without ``base``;
    row k of the limits is the query's times ``scales[k]``.
    """

    starts: tuple[int, ...]
    costs: Floats
    scale: float
    base: float
    equal: Any
    right: Floats
    below: Any
    most: Floats
    scales: Floats
    upper: Floats

    @classmethod
    def of(cls, query: Query, cap: float) -> Mixed:
        """The program of a query; what alone costs more than ``cap``, or exceeds a limit, is barred."""
        from scipy.sparse import csr_array, vstack

        core = query.core
        amounts = query.columns.amounts
        costs, base = amounts @ query.weights, float(query.weights @ core.base)
        left = query.most - query.rows @ core.base
        sums = query.rows @ amounts.T
        starts = tuple(itertools.accumulate(core.sizes, initial=0))
        barred = (costs > cap * (1 + HOLDS) - base) | (sums > np.maximum(left, 0.0)[:, None]).any(axis=0)
        upper = np.where(barred, 0.0, 1.0)
        costs = np.where(barred, 0.0, costs)
        reference = cap - base if cap < np.inf else costs.max(initial=0.0)
        scale = _SCALE / reference if reference > 0 else 1.0
        scales = np.where(left > 0, _LIMIT / np.where(left > 0, left, 1.0), 1.0)
        limits = csr_array(np.where(barred, 0.0, sums) * scales[:, None])
        cuts, most = _cuts(query, starts, len(costs))
        below = vstack([limits, cuts], format="csr")
        equal, right = _local(query, starts, len(costs))
        return cls(
            starts, costs * scale, scale, base, equal, right, below, np.append(left * scales, most), scales, upper
        )

    def solve(self, clock: Clock, gap: float = 0.0) -> HighsAnswer:
        """Run HiGHS until the relative gap is at most ``gap``, or the time is over."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # a second to import

        if (self.most < 0).any():
            return HighsAnswer(None, 0.0, True, True)
        constraints = [LinearConstraint(self.equal, self.right, self.right)]
        if len(self.most):
            constraints.append(LinearConstraint(self.below, -np.inf, self.most))
        integral = np.zeros(len(self.costs))
        integral[: self.starts[-1]] = 1
        bounds = Bounds(0.0, self.upper)
        options = {"mip_rel_gap": gap}
        if (seconds := clock.remaining) is not None:  # what the import took is gone from it
            options["time_limit"] = seconds
        with muted():
            result = milp(self.costs, integrality=integral, bounds=bounds, constraints=constraints, options=options)
        if result.status == 2:
            return HighsAnswer(None, 0.0, True, True)
        values = None
        if result.x is not None:
            spans = itertools.pairwise(self.starts)
            values = np.array([int(np.argmax(result.x[low:high])) for low, high in spans], np.int64)
        return HighsAnswer(values, self._safe(result.get("mip_dual_bound")), result.status == 0, False)

    def _safe(self, bound: float | None) -> float:
        """A bound that the objective certainly reaches, in the query's units."""
        if bound is None or not np.isfinite(bound):
            return self.base
        slack = _DUAL * (len(self.starts) + _SCALE)
        return self.base + max(0.0, bound - slack) / self.scale

    def multipliers(self, clock: Clock) -> Floats:
        """How much the objective of the linear relaxation falls per unit of each limit; zeros if time is too short."""
        from scipy.optimize import linprog

        seconds = clock.remaining
        options = {} if seconds is None else {"time_limit": max(seconds, 1e-3)}
        bounds = np.stack([np.zeros_like(self.upper), self.upper], axis=1)
        result = linprog(
            self.costs, self.below, self.most, self.equal, self.right, bounds, method="highs", options=options
        )
        if result.status != 0:
            return np.zeros(len(self.scales))
        falls: Floats = np.maximum(0.0, -result.ineqlin.marginals[: len(self.scales)]) * self.scales / self.scale
        return falls


def _local(query: Query, starts: tuple[int, ...], columns: int) -> tuple[Any, Floats]:
    """The local polytope: values of a variable sum to one; rows of a factor sum to each value that they hold."""
    from scipy.sparse import csr_array

    core = query.core
    lines = [np.repeat(np.arange(len(core.sizes)), core.sizes)]
    places = [np.arange(starts[-1])]
    weights = [np.ones(starts[-1])]
    line, first = len(core.sizes), starts[-1]
    for factor in core.factors:
        count = len(factor.rows)
        for axis, v in enumerate(factor.scope):
            size = core.sizes[v]
            lines += [line + factor.rows[:, axis], np.arange(line, line + size)]
            places += [np.arange(first, first + count), np.arange(starts[v], starts[v] + size)]
            weights += [np.ones(count), -np.ones(size)]
            line += size
        first += count
    right = np.zeros(line)
    right[: len(core.sizes)] = 1.0
    at = (np.concatenate(lines), np.concatenate(places))
    return csr_array((np.concatenate(weights), at), shape=(line, columns)), right


def _cuts(query: Query, starts: tuple[int, ...], columns: int) -> tuple[Any, Floats]:
    """One row per taken config that is still possible: not all of its values where they matter."""
    from scipy.sparse import csr_array

    matter = np.flatnonzero(query.core.matters)
    first = np.array(starts[:-1], np.int64)
    taken = [values for values in query.taken if (values[matter] >= 0).all()]
    at = np.concatenate([np.full(len(matter), k) for k in range(len(taken))]) if taken else np.zeros(0, np.int64)
    places = np.concatenate([(first + values)[matter] for values in taken]) if taken else np.zeros(0, np.int64)
    cuts = csr_array((np.ones(len(at)), (at, places)), shape=(len(taken), columns))
    return cuts, np.full(len(taken), len(matter) - 1.0)
