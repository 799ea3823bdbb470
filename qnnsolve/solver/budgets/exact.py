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
from qnnsolve.solver.budgets.query import HOLDS, Impossible, Outcome, Query
from qnnsolve.solver.budgets.rounds import Rounds
from qnnsolve.solver.clock import Clock

__all__ = ["least"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_FEW = 200
"""So many values more than one for each variable are given to HiGHS at first."""
_MORE = 4


def least(query: Query, rounds: Rounds | None, clock: Clock, start: Places | None = None) -> Outcome | Impossible:
    """The least of a query, from values that hold where some are known; without ``rounds`` by HiGHS alone.

    Where the time ends the search, the outcome has what was found until then.
    """
    if rounds is None or not query.core.sizes:
        return mixed.least(query, clock, start)
    relaxed = dual(query, rounds, clock, start)
    if relaxed is None or isinstance(relaxed, Impossible):
        return Impossible() if relaxed is not None else mixed.least(query, clock, start)
    best, objective, bound = relaxed.values, relaxed.objective, relaxed.bound
    how, finished = "multipliers", False
    columns, excess = rounds.columns, relaxed.at.excess()
    values = len(query.core.sizes)
    spare = np.sort(excess[: columns.starts[-1]])
    extra = _FEW
    while bound < objective * (1 - PROVEN) and not clock.expired:
        how = "multipliers, milp"
        reach = float(spare[min(values + extra, len(spare)) - 1])
        needed = (objective - relaxed.bound) * (1 + HOLDS) + HOLDS * abs(relaxed.bound)
        every = reach >= needed or values + extra >= len(spare)
        reach = min(reach, needed) if best is not None else reach
        narrowed = Narrowed.of(query, excess <= reach + HOLDS * abs(relaxed.bound), relaxed.at.values)
        known = None if best is None else narrowed.narrow(best)
        answer = mixed.least(narrowed.query, clock, known, multipliers=False)
        if isinstance(answer, Impossible):
            if every and best is None:
                return Impossible()
        else:
            if answer.values is not None and answer.objective < objective:
                best, objective = narrowed.full(answer.values), answer.objective
            outside = np.inf if values + extra >= len(spare) else relaxed.bound + reach
            bound = max(bound, min(answer.bound, outside))
        if every:
            finished = isinstance(answer, Impossible) or answer.finished
            break
        extra *= _MORE
    finished = finished or bound >= objective * (1 - PROVEN)
    return Outcome(best, objective, min(bound, objective), relaxed.prices, how, finished)
