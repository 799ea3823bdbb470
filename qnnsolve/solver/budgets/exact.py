"""The least of a query: a bound by multipliers, then HiGHS over the few columns that can still be in something better.

At the best prices each column has an *excess*: how far any config with it lies above the bound. Once a config is known,
what has a larger excess than that config lies above the bound is in none that is better. The values of almost all
variables are certain then, and what is left is small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets import mixed
from qnnsolve.solver.budgets.answers import PROVEN
from qnnsolve.solver.budgets.multipliers import dual
from qnnsolve.solver.budgets.narrowing import Narrowed
from qnnsolve.solver.budgets.query import HOLDS, BudgetOutcome, ImpossibleBudget, Query
from qnnsolve.solver.budgets.rounds import Rounds
from qnnsolve.solver.clock import Clock

__all__ = ["least"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_FEW = 200
"""So many values more than one for each variable are given to HiGHS at first."""
_MORE = 2


def least(
    query: Query, rounds: Rounds | None, clock: Clock, start: Places | None = None, gap: float = 0.0
) -> BudgetOutcome | ImpossibleBudget:
    """The least of a query, from values that hold where some are known; without ``rounds`` by HiGHS alone.

    The search ends at a relative gap of at most ``gap``. Where the time ends it, the outcome has what was found until
    then.
    """
    if rounds is None or not query.core.sizes:
        return mixed.least(query, clock, start, gap=gap)
    relaxed = dual(query, rounds, clock, start)
    if isinstance(relaxed, ImpossibleBudget):
        return relaxed
    best, objective, bound, prices = relaxed.values, relaxed.objective, query.reached(relaxed.bound), relaxed.prices
    low, excess = relaxed.bound, relaxed.at.excess()
    spare = np.sort(excess[: rounds.columns.starts[-1]])
    extra, how, every = _FEW, "multipliers", False
    while bound < objective * (1 - max(gap, PROVEN)) and not every:
        if clock.expired:
            return BudgetOutcome(best, objective, bound, prices, how, False)
        how = "multipliers, milp"
        count = len(query.core.sizes) + extra
        reach = float(spare[count - 1]) if count < len(spare) else np.inf
        needed = (objective - query.step / 2 - low) * (1 + HOLDS)
        every, reach = reach >= needed, min(reach, needed)
        narrowed = Narrowed.of(query, excess <= reach + HOLDS * abs(low), relaxed.at.values)
        known = None if best is None else narrowed.narrow(best)
        answer = mixed.least(narrowed.query, clock, known, gap=gap, multipliers=False)
        inside = np.inf
        if isinstance(answer, BudgetOutcome):
            inside = answer.bound
            if answer.values is not None and answer.objective < objective:
                best, objective = narrowed.full(answer.values), answer.objective
        elif every and best is None:
            return answer
        bound = max(bound, min(inside, query.reached(low + reach), objective))
        extra *= _MORE
    finished = not clock.expired or bound >= objective * (1 - max(gap, PROVEN))
    return BudgetOutcome(best, objective, min(bound, objective), prices, how, finished)
