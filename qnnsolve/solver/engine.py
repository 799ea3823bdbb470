"""The pipeline: canonical form, sharing, propagation, exact optimum; and conflicts where there is none."""

from __future__ import annotations

from qnnsolve.constraints import Problem
from qnnsolve.solver.answers import Limits, Solution, Statistics, Unknown, Unsatisfiable
from qnnsolve.solver.clock import Clock, LimitReached, without_collector
from qnnsolve.solver.cores import find_conflicts
from qnnsolve.solver.derivation import Derivation
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum import Goal, Impossible, Optimum, find_optimum
from qnnsolve.solver.propagation import propagate
from qnnsolve.solver.solution import read_solution

__all__ = ["solve"]

_DEFAULT = Limits()


def solve(problem: Problem, limits: Limits = _DEFAULT) -> Solution | Unsatisfiable | Unknown:
    """The cheapest config that satisfies every hard constraint, or every independent conflict that forbids one.

    The answer is a function of the problem as a set: the order of domains, constraints and rows does not
    matter. A limit that is hit gives :class:`Unknown`, or a :class:`Solution` with a gap if one was found;
    never :class:`Unsatisfiable`.
    """
    clock = Clock(limits.seconds)
    try:
        with without_collector():
            return _solve(problem, limits, clock)
    except LimitReached as reached:
        return Unknown(None, reached.limit)


def _solve(problem: Problem, limits: Limits, clock: Clock) -> Solution | Unsatisfiable:
    model = Model(problem)
    clock.check()
    network = Network(model, range(len(model.constraints)), range(len(model.sites)))
    propagation = propagate(network, clock)
    why = Derivation(network, propagation).why_removed
    outcome: Optimum | Impossible | None = None
    if not propagation.wipeouts:
        outcome = find_optimum(network, propagation.masks, limits, clock, Goal.CHEAPEST)
    solved = outcome if isinstance(outcome, Optimum) else None
    statistics = Statistics(
        sites=len(model.sites),
        constraints=len(model.constraints),
        groups=len(network.members),
        components=network.components(),
        searched=solved.searched if solved else 0,
        nodes=solved.nodes if solved else 0,
        methods=tuple(sorted(solved.methods)) if solved else (),
    )
    if solved is None:
        conflicts, exhaustive = find_conflicts(network, propagation, limits, clock)
        return Unsatisfiable(conflicts, statistics, why, exhaustive)
    return read_solution(network, solved, statistics, why)
