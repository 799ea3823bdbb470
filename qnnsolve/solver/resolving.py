"""What a kept solve finds under restrictions, as a solution: :func:`resolved`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver.answers import Solution, Statistics
from qnnsolve.solver.candidates import also_left_out
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.derivation import Derivation
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.factors import Overflow
from qnnsolve.solver.optimum.find import Optimum
from qnnsolve.solver.propagation import propagate
from qnnsolve.solver.session import Session
from qnnsolve.solver.solution import read_solution

__all__ = ["resolved"]


def resolved(session: Session, allowed: Mapping[Site, Collection[Encoding]], problem: Problem) -> Solution | None:
    """The best config in which each of these sites has one of these encodings.

    None where there is none, or the prices are too large to say. ``problem`` is that of the session with these
    restrictions as constraints: its trail is worked out when somebody asks why an encoding is gone.
    """
    with suppress(Overflow):
        found = session.restricted(allowed)
        if found is not None:
            return _read(session, {**session.encodings, **found.changed}, problem)
    return None


def _read(session: Session, encodings: Mapping[Site, Encoding], problem: Problem) -> Solution:
    network, model = session.network, session.network.model
    numbers = {encoding: number for number, encoding in enumerate(model.encodings)}
    values = {network.variable[at]: numbers[encodings[site]] for at, site in enumerate(model.sites)}
    optimum = Optimum([values[v] for v in range(len(values))], sys.maxsize, sys.maxsize, 1, 0, frozenset({"session"}))

    @cache
    def derivation() -> Derivation:
        whole = Model(problem)
        trail = Network(whole, range(len(whole.where)), range(len(whole.sites)))
        return Derivation(trail, propagate(trail, Clock(None)))

    why = also_left_out(problem, lambda site, encoding: derivation().why_removed(site, encoding))
    counted = Statistics(
        sites=len(model.sites),
        constraints=len(model.where),
        groups=len(network.initial),
        components=network.components(),
        searched=1,
        nodes=0,
        methods=("session",),
    )
    return read_solution(network, optimum, counted, why)
