"""Picks one encoding per site at the least cost, with proof; or says which constraints cannot hold together.

:func:`solve` goes: union-find over sharing, propagation with a trail, components, exact optimum by elimination
(HiGHS where a component is too wide), cores. :func:`check` is an independent second opinion.
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
from qnnsolve.solver.candidates import also_left_out
from qnnsolve.solver.check import Verdict, check
from qnnsolve.solver.engine import solve
from qnnsolve.solver.limits import TIME_LIMIT, Limits, Method, limits_of

__all__ = [
    "TIME_LIMIT",
    "Conflict",
    "Convert",
    "Limits",
    "Method",
    "Removal",
    "Solution",
    "Statistics",
    "Unknown",
    "Unsatisfiable",
    "Verdict",
    "also_left_out",
    "check",
    "limits_of",
    "solve",
]
