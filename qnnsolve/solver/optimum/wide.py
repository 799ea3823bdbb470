"""Components too wide for elimination: python-constraint looks for a first solution, HiGHS for the cheapest."""

from __future__ import annotations

import math

import attrs

from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.optimum.dense import Dense, Values
from qnnsolve.solver.optimum.milp import HighsFound, Infeasible, Milp
from qnnsolve.solver.optimum.search import first_solution

__all__ = ["WideOutcome", "cheapest"]


@attrs.frozen
class WideOutcome:
    """Values by variable, their cost, a proven lower bound, the nodes that HiGHS explored, and whether it ended by
    itself (not by its limit of time, which it may see a little before ours)."""

    values: Values
    cost: int
    bound: int
    nodes: int
    finished: bool


def _smallest(milp: Milp, dense: Dense, values: Values, cost: int, clock: Clock) -> Values:
    """The lexicographically smallest values of that cost, by asking for a smaller one place after place."""
    for v in range(len(dense.sizes)):
        while values[v] > 0 and not clock.expired:
            answer = milp.solve(clock, below=(v, values[v]))
            if isinstance(answer, Infeasible) or answer.values is None or dense.cost(answer.values) != cost:
                break
            values = answer.values
        milp.fix(v, values[v])
    return values


def cheapest(dense: Dense, clock: Clock, canonical: int = 64, steps: int = 20_000) -> WideOutcome | None:
    """The cheapest values, with a bound; ``None`` is a proof that nothing is possible.

    HiGHS is asked again, without the entries that cost more than the best found so far, until it proves an optimum or
    finds nothing better. Beside a price of 2**30 its tolerance would hide what an 8-bit value costs. Among equals the
    lexicographically smallest, if the optimum is proven and there are at most ``canonical`` variables (beyond that,
    HiGHS's own pick, which is a function of the problem).

    Raises:
        LimitReached: nothing was found in time.
    """
    best: Values | None = None
    try:
        best = first_solution(dense, steps, clock)
        if best is None:
            return None
    except LimitReached:
        clock.check()
    cost = None if best is None else dense.cost(best)
    bound, nodes = 0, 0
    while True:
        milp = Milp.of(dense if cost is None else dense.capped(cost))
        answer = milp.solve(clock)
        if isinstance(answer, Infeasible):
            # Beside a known solution that is HiGHS's tolerance, and no proof.
            if cost is None:
                return None
            answer = HighsFound(None, 0, False, 0)
        bound, nodes = max(bound, answer.bound), nodes + answer.nodes
        found = None if answer.values is None else dense.cost(answer.values)
        better = found is not None and (cost is None or found < cost)
        if better:
            best, cost = answer.values, found
        if best is None or cost is None:
            clock.check()
            raise LimitReached("HiGHS found no solution")
        if not better or bound >= cost or clock.expired:
            break
    finished = answer.finished
    if finished and bound < cost and not clock.expired and (apart := _apart(milp, clock)) is not None:
        milp, answer, least = apart
        bound, nodes, finished = max(bound, least), nodes + answer.nodes, answer.finished
        found = None if answer.values is None else dense.cost(answer.values)
        if answer.values is not None and found is not None and found < cost:
            best, cost = answer.values, found
    if finished and len(dense.sizes) <= canonical:
        best = _smallest(milp, dense, best, cost, clock)
    return WideOutcome(best, cost, min(cost, math.ceil(bound)), nodes, finished)


def _apart(milp: Milp, clock: Clock) -> tuple[Milp, HighsFound, int] | None:
    """First the fewest of the large prices, then the least of all else; with the bound that both prove.

    HiGHS's tolerance is a share of the sum: where nodes have to be on the CPU, it hides what an 8-bit value costs.
    """
    unit = milp.unit()
    if unit is None:
        return None
    fewest = milp.counting(unit).solve(clock)
    if isinstance(fewest, Infeasible) or not fewest.finished:
        return None
    rest = milp.beside(unit, fewest.bound)
    answer = rest.solve(clock)
    if isinstance(answer, Infeasible):
        return None
    return rest, answer, min(fewest.bound * unit + answer.bound, (fewest.bound + 1) * unit)
