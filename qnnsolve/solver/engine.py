"""The pipeline: canonical form, sharing, propagation, exact optimum; and conflicts where there is none."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

from qnnsolve.constraints import Constraints, Problem
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
from qnnsolve.solver.unique import OnlyCheapest, only_cheapest

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
    if isinstance(problem.constraints, Constraints):  # where nothing repeats, the short way is none
        with suppress(LimitReached):  # the long way knows what to do then
            found = only_cheapest(model, limits, clock)
            if found is not None:
                return _of_only(problem, model, found)
    network = _network(model)
    try:
        return _solve(problem, network, limits, clock)
    except LimitReached as reached:
        return Unknown(reached.limit)


def _network(model: Model) -> Network:
    return Network(model, range(len(model.where)), range(len(model.sites)))


def _of_only(problem: Problem, model: Model, found: OnlyCheapest) -> Solution:
    """The solution; its trail and what it met are worked out when somebody asks."""
    network = cache(lambda: _network(model))
    derivation = cache(lambda: Derivation(network(), propagate(network(), Clock(None))))
    cost = sum(found.breakdown.values())
    return Solution(
        encodings=found.encodings,
        groups=found.groups,
        converts=found.converts,
        cost=cost,
        breakdown=found.breakdown,
        lower_bound=cost,
        statistics=cache(lambda: _statistics(network(), 1, found.nodes, ("elimination",) if found.nodes else ())),
        why=also_left_out(problem, lambda site, encoding: derivation().why_removed(site, encoding)),
    )


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
    if solved is None:
        statistics = _statistics(network, 0, 0, ())
        conflicts, exhaustive = find_conflicts(network, propagation, limits, clock)
        return Unsatisfiable(conflicts, statistics, why, exhaustive)
    statistics = _statistics(network, solved.searched, solved.nodes, tuple(sorted(solved.methods)))
    return read_solution(network, solved, statistics, why)


def _some(problem: Problem, network: Network, clock: Clock, reached: LimitReached) -> Solution:
    """Some legal config, where even propagation took too long."""
    found = legal(network, network.initial, range(len(network.initial)), clock.extended(0.1))
    if found is None:
        raise reached
    values = [found[v] for v in range(len(network.initial))]
    optimum = Optimum(values, 0, 0, 0, 0, frozenset(), reached.limit)
    why = also_left_out(problem, lambda site, encoding: ())
    return read_solution(network, optimum, _statistics(network, 0, 0, ()), why)


def _statistics(network: Network, searched: int, nodes: int, methods: tuple[str, ...]) -> Statistics:
    return Statistics(
        sites=len(network.model.sites),
        constraints=len(network.model.where),
        groups=len(network.initial),
        components=network.components(),
        searched=searched,
        nodes=nodes,
        methods=methods,
    )
