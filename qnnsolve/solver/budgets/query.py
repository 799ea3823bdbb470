"""One question to a core: weights of an objective, limits on other sums, and configs that are taken."""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.columns import Columns
from qnnsolve.solver.budgets.compiled import Core

__all__ = ["HOLDS", "BudgetOutcome", "ImpossibleBudget", "Query"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

HOLDS = 1e-9
"""A limit holds where it is exceeded by no more than this share of it: sums of floats differ by their order."""
_EXACT = 2.0**53
_NEAR = 1e-3
"""A bound so near above a multiple of a step, as a share of the step, still is that multiple."""


@attrs.frozen(eq=False)
class Query:
    """Minimise ``weights @ amounts`` where ``rows @ amounts <= limits``, differing from each of ``taken``.

    ``amounts`` are those of the core, with what is certain; weights and rows are not negative. To differ is to have
    another value at a variable that matters for a measure; -1 is no value of any.
    """

    columns: Columns
    weights: Floats
    rows: Floats
    limits: Floats
    taken: tuple[Places, ...] = ()

    @property
    def core(self) -> Core:
        """What is asked."""
        return self.columns.core

    def amounts(self, values: Places) -> Floats | None:
        """What each measure comes to, given a place for every variable of the core; None where that is not legal."""
        return self.columns.total(values)

    def objective(self, values: Places) -> float | None:
        """The weighted sum; None where the values are not legal, or a limit or a taken config forbids them."""
        amounts = self.amounts(values)
        if amounts is None or (self.rows @ amounts > self.most).any():
            return None
        return float(self.weights @ amounts) if all(self.differs(values, other) for other in self.taken) else None

    @cached_property
    def most(self) -> Floats:
        """The limits, with what rounding may add; where all amounts are multiples of one number, the last such sum."""
        most: Floats = self.limits + HOLDS * np.abs(self.limits)
        for k, (row, base) in enumerate(zip(self.rows, self.rows @ self.core.base, strict=True)):
            step = _common(self.columns.amounts @ row)
            if step:
                most[k] = base + np.floor((most[k] - base) / step) * step
        return most

    @cached_property
    def step(self) -> float:
        """Objectives that differ do so by this at least; 0 where nothing is known."""
        return _common(self.columns.amounts @ self.weights)

    def reached(self, bound: float) -> float:
        """The bound, or the next objective that there can be."""
        if not self.step or not np.isfinite(bound):
            return bound
        base = float(self.weights @ self.core.base)
        return max(bound, base + float(np.ceil((bound - base) / self.step - _NEAR)) * self.step)

    def differs(self, one: Places, other: Places) -> bool:
        """Whether they differ where it matters."""
        return bool((one != other)[np.array(self.core.matters, bool)].any())

    def without(self, values: Places) -> Query:
        """The same with one more config that is taken."""
        return attrs.evolve(self, taken=(*self.taken, values))


def _common(amounts: Floats) -> float:
    """The greatest common divisor of whole amounts that float sums hold exactly; 0 where they are not."""
    if not len(amounts) or (amounts != np.rint(amounts)).any() or amounts.max() * len(amounts) >= _EXACT:
        return 0.0
    return float(np.gcd.reduce(amounts.astype(np.int64)))


@attrs.frozen(eq=False)
class BudgetOutcome:
    """Values and their objective (``None``: none found), a proven bound of the least, and a multiplier per limit."""

    values: Places | None
    objective: float
    bound: float
    multipliers: Floats
    how: str
    finished: bool


@attrs.frozen
class ImpossibleBudget:
    """Nothing satisfies the limits. Proven."""
