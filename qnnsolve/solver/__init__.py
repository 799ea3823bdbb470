"""Picks one encoding per site at the least cost, with proof; or says which constraints cannot hold together.

:func:`solve` goes: union-find over sharing, propagation with a trail, components, exact optimum by elimination
(HiGHS where a component is too wide), cores. :func:`check` is an independent second opinion, and :func:`regrets`
prices every candidate at every site. :class:`BudgetProgram` answers
with the best config under budgets, where what counts is not the prices of the constraints but measures of a config.
"""

from qnnsolve.solver.answers import (
    Conflict,
    Convert,
    Removal,
    Solution,
    Statistics,
    Unknown,
    Unsatisfiable,
)
from qnnsolve.solver.budgets.answers import Best, Exhausted, OverBudget, Short
from qnnsolve.solver.budgets.measures import Measure, Term
from qnnsolve.solver.budgets.program import BudgetProgram
from qnnsolve.solver.candidates import also_left_out
from qnnsolve.solver.check import CheckVerdict, check
from qnnsolve.solver.engine import solve
from qnnsolve.solver.limits import TIME_LIMIT, Limits, Method, limits_of
from qnnsolve.solver.regrets import regrets

__all__ = [
    "TIME_LIMIT",
    "Best",
    "BudgetProgram",
    "CheckVerdict",
    "Conflict",
    "Convert",
    "Exhausted",
    "Limits",
    "Measure",
    "Method",
    "OverBudget",
    "Removal",
    "Short",
    "Solution",
    "Statistics",
    "Term",
    "Unknown",
    "Unsatisfiable",
    "also_left_out",
    "check",
    "limits_of",
    "regrets",
    "solve",
]
