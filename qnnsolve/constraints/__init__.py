"""The language between rules and solver: sites, constraints as data, and the problem they form.

A rule yields constraints; the solver knows nothing else. Every constraint carries its
:class:`~qnnsolve.reasons.Reason`. Objects that repeat over a graph (domains, relations, cost tables) are shared, so
that a graph of ten thousand ops holds a few hundred of them.
"""

from qnnsolve.constraints.kinds import (
    Allow,
    Constraint,
    Convertible,
    Derived,
    Forbid,
    Prefer,
    Relation,
    Same,
    Site,
    Table,
)
from qnnsolve.constraints.problem import LeftOut, Problem
from qnnsolve.constraints.repeats import Constraints, of_type

__all__ = [
    "Allow",
    "Constraint",
    "Constraints",
    "Convertible",
    "Derived",
    "Forbid",
    "LeftOut",
    "Prefer",
    "Problem",
    "Relation",
    "Same",
    "Site",
    "Table",
    "of_type",
]
