"""What a :class:`~qnnsolve.solver.budgets.program.Program` answers: frozen records."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding

__all__ = ["PROVEN", "Best", "Exhausted", "OverBudget", "Short"]

PROVEN = 1e-6
"""A relative gap up to this counts as none: amounts are floats, and HiGHS's tolerances are of this size."""


@attrs.frozen(eq=False)
class Best:
    """A legal config within the budgets, and how far from the best one it may be."""

    encodings: Mapping[Site, Encoding]
    """By site, all sites of the problem, sorted."""
    amounts: Mapping[str, float]
    """What every measure of the program comes to, evaluated plainly from ``encodings``."""
    objective: float
    """The weighted sum of amounts that was asked to be least."""
    bound: float
    """Proven: no config within the budgets has a smaller objective."""
    prices: Mapping[str, float]
    """By budget: how much the objective falls for one unit more of it (the multiplier of the Lagrangian relaxation).

    0 where the budget does not bind, and where it is so tight (0 converts) that what costs anything is ruled out.
    """
    how: str
    """How it was found: ``propagation`` (nothing to choose), ``milp``, ``multipliers``, or several of these."""
    secondary_bound: float | None = None
    """With ``then``: no config within the budgets and within ``within`` of ``objective`` has less of it."""
    limit: str | None = None
    """What stopped the search before a proof (``seconds=5``); ``None``: nothing did."""

    @property
    def gap(self) -> float:
        """How far the best objective may lie below this one, as a fraction of this one. 0 where that is proven."""
        if self.objective <= 0 or self.bound >= self.objective * (1 - PROVEN):
            return 0.0
        return (self.objective - self.bound) / self.objective

    @property
    def proven(self) -> bool:
        """Whether the objective is proven to be the least (up to a share of 1e-6)."""
        return self.gap == 0.0


@attrs.frozen
class Short:
    """``budget`` was to be at most ``asked``, and is at least ``least`` where those of ``beside`` hold."""

    budget: str
    asked: float
    least: float
    beside: tuple[str, ...] = ()


@attrs.frozen
class OverBudget:
    """No config is within the budgets. Proven.

    Where single budgets are impossible, one entry for each of them; else one for each budget that is impossible
    beside all the others.
    """

    short: tuple[Short, ...]


@attrs.frozen
class Exhausted:
    """Configs within the budgets exist, and none of them differs from all those that were to be different. Proven."""
