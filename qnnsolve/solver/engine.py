"""The pipeline: canonical form, sharing, propagation, exact optimum; and conflicts where there is none."""

from __future__ import annotations

from qnnsolve.constraints import Problem
from qnnsolve.solver.answers import Solution, Statistics, Unknown, Unsatisfiable
from qnnsolve.solver.candidates import also_left_out
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.cores import find_conflicts
from qnnsolve.solver.derivation import Derivation
from qnnsolve.solver.limits import Limits
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.find import Goal, ImpossibleComponent, Optimum, find_optimum
from qnnsolve.solver.optimum.legal import legal
from qnnsolve.solver.propagation import propagate
from qnnsolve.solver.solution import read_solution

__all__ = ["solve"]

_DEFAULT = Limits()


def solve(problem: Problem, limits: Limits = _DEFAULT) -> Solution | Unsatisfiable | Unknown:
    """The cheapest config that satisfies every hard constraint, or every independent conflict that forbids one.

    The answer is a function of the problem as a set: the order of domains, constraints and rows does not
    matter. Where a limit is hit there is a :class:`Solution` with a gap (:attr:`Solution.limit` says which limit), or
    :class:`Unknown` where no config was found; never :class:`Unsatisfiable`.
    """
    clock = Clock(limits.seconds)
    model = Model(problem)
    network = Network(model, range(len(model.where)), range(len(model.sites)))
    try:
        return _solve(problem, network, limits, clock)
    except LimitReached as reached:
        return Unknown(reached.limit)


def _solve(problem: Problem, network: Network, limits: Limits, clock: Clock) -> Solution | Unsatisfiable:
    try:
        propagation = propagate(network, clock)
    except LimitReached as reached:
        return _some(problem, network, clock, reached)
    why = also_left_out(problem, Derivation(network, propagation).why_removed)
    outcome: Optimum | ImpossibleComponent | None = None
    if not propagation.wipeouts:
        outcome = find_optimum(network, propagation.masks, limits, clock, Goal.CHEAPEST)
    solved = outcome if isinstance(outcome, Optimum) else None
    statistics = _statistics(network, solved)
    if solved is None:
        conflicts, exhaustive = find_conflicts(network, propagation, limits, clock)
        return Unsatisfiable(conflicts, statistics, why, exhaustive)
    return read_solution(network, solved, statistics, why)


def _some(problem: Problem, network: Network, clock: Clock, reached: LimitReached) -> Solution:
    """Some legal config, where even propagation took too long."""
    found = legal(network, network.initial, range(len(network.initial)), clock.extended(0.1))
    if found is None:
        raise reached
    values = [found[v] for v in range(len(network.initial))]
    optimum = Optimum(values, 0, 0, 0, 0, frozenset(), reached.limit)
    why = also_left_out(problem, lambda site, encoding: ())
    return read_solution(network, optimum, _statistics(network, optimum), why)


def _statistics(network: Network, solved: Optimum | None) -> Statistics:
    return Statistics(
        sites=len(network.model.sites),
        constraints=len(network.model.where),
        groups=len(network.initial),
        components=network.components(),
        searched=solved.searched if solved else 0,
        nodes=solved.nodes if solved else 0,
        methods=tuple(sorted(solved.methods)) if solved else (),
    )
