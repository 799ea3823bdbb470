"""Solves that are kept for the questions of one process: :class:`KeptSolves`."""

from __future__ import annotations

from collections.abc import Sequence

from qnnsolve.constraints import Allow, Constraint, Forbid, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver import Limits, Solution
from qnnsolve.solver.resolving import resolved
from qnnsolve.solver.session import Session

__all__ = ["KeptSolves"]


class KeptSolves:
    """Of a problem, and of the same with ``staying``: a session for each, from its second question on.

    One question alone costs less from scratch than with a session.
    """

    def __init__(self, problem: Problem, staying: Sequence[Forbid], limits: Limits) -> None:
        self._limits, self._staying = limits, frozenset(map(id, staying))
        self._problems = {
            False: problem,
            True: Problem(problem.domains, (*problem.constraints, *staying)),
        }
        self._asked: set[bool] = set()
        self._sessions: dict[bool, Session | None] = {}

    def solved(self, added: Sequence[Constraint], problem: Problem) -> Solution | None:
        """The best config of ``problem``, which is the kept one with ``added``; None where no session tells."""
        pins = [each for each in added if id(each) not in self._staying]
        stays = len(pins) < len(added)
        if stays and len(added) - len(pins) < len(self._staying):
            return None  # a question about a node that leaves the accelerator
        if stays not in self._asked:
            self._asked.add(stays)
            return None
        allowed: dict[Site, frozenset[Encoding]] = {}
        for pin in pins:
            if not isinstance(pin, Allow):
                return None
            allowed[pin.site] = allowed.get(pin.site, pin.encodings) & pin.encodings
        if stays not in self._sessions:
            self._sessions[stays] = Session.of(self._problems[stays], self._limits)
        session = self._sessions[stays]
        return None if session is None else resolved(session, allowed, problem)
