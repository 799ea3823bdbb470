"""The result of a solve, made when somebody asks for it: :class:`Described`."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping

import attrs

from qnnsolve.constraints import Problem
from qnnsolve.explain import describe, notes_of_solve
from qnnsolve.results import SolveResult
from qnnsolve.rules.base import Facts
from qnnsolve.solver import Solution, Unknown, Unsatisfiable

__all__ = ["Described"]

_BEFORE = ("passes", "facts", "rules", "solve")
"""Stages that come before the explanation in a report, whenever it was made."""


@attrs.frozen(eq=False, slots=False)
class Described:
    """What a solve came to. Its records take a tenth of the solve, and who quantizes in a script never reads them."""

    facts: Facts
    problem: Problem
    outcome: Solution | Unsatisfiable | Unknown
    soc: str
    origins: Mapping[str, tuple[str, ...]]
    """The nodes that each op of the exported program became, by its name there."""
    timings: tuple[tuple[str, float], ...]
    """Of the stages around the explanation, in order."""
    notes: tuple[str, ...] = ()
    """What was changed before anything was solved."""

    @property
    def notes_of_solve(self) -> tuple[str, ...]:
        """Those that the solve adds."""
        return notes_of_solve(self.facts, self.outcome)

    @functools.cached_property
    def result(self) -> SolveResult:
        """The plain records."""
        began = time.perf_counter()
        made = describe(self.facts, self.problem, self.outcome, soc=self.soc, timings=())
        explained = ("explain", time.perf_counter() - began)
        before = tuple(each for each in self.timings if each[0] in _BEFORE)
        after = self.timings[len(before) :]
        return attrs.evolve(made, timings=(*before, explained, *after), notes=(*self.notes, *made.notes))
