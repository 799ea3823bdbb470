"""The exact optimum over what propagation left: split into components, eliminate, leave the wide rest to HiGHS.

Small components come first. One that a limit stops gets some legal config, and its bound says how far it may be off.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import suppress

import attrs

from qnnsolve.solver.clock import Clock, LimitReached, MemoryReached
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.limits import Limits, Method
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.dense import Dense
from qnnsolve.solver.optimum.elimination import Elimination, Instance
from qnnsolve.solver.optimum.factors import Arithmetic, Factors, Overflow
from qnnsolve.solver.optimum.legal import legal
from qnnsolve.solver.optimum.ordering import BIT, elimination_order, fewest_joined
from qnnsolve.solver.optimum.parts import Part, Parts
from qnnsolve.solver.optimum.wide import WideOutcome, cheapest

__all__ = ["Goal", "ImpossibleComponent", "Optimum", "find_optimum"]

_DENSE_ENTRIES = 512
"""In a wide component, elimination stops at tables of this size: each entry left is a column for HiGHS."""


class Goal(enum.Enum):
    """What is asked: the cheapest assignment, or whether there is one at all."""

    CHEAPEST = "cheapest"
    ANY = "any"


@attrs.frozen(eq=False)
class Optimum:
    """The chosen encoding index per variable, internal cost and bound, and what it took.

    ``limit`` names what stopped a component before its optimum was proven; ``None``: nothing did.
    """

    values: list[int]
    cost: int
    bound: int
    searched: int
    nodes: int
    methods: frozenset[str]
    limit: str | None = None


@attrs.frozen(eq=False)
class ImpossibleComponent:
    """Nothing is possible over these variables (a whole component)."""

    variables: tuple[int, ...]


def find_optimum(
    network: Network, masks: Sequence[int], limits: Limits, clock: Clock, goal: Goal
) -> Optimum | ImpossibleComponent:
    """The optimum over ``masks`` (a fixpoint of propagation without an empty one).

    Raises:
        LimitReached: a limit was hit, and no config was found in its place (or none was asked for).
    """
    fast = Arithmetic.fast()
    largest = max((joint.dearest for joint in set(network.joints)), default=0)
    largest = max(largest, max((cost for costs in network.costs.values() for cost in costs.values()), default=0))
    if largest < fast.forbidden or goal is Goal.ANY:
        with suppress(Overflow):
            return _Search(network, masks, limits, clock, goal, fast).run()
    total = sum(joint.dearest for joint in network.joints)
    total += sum(max(costs.values(), default=0) for costs in network.costs.values())
    return _Search(network, masks, limits, clock, goal, Arithmetic.exact(total)).run()


class _Search:
    def __init__(
        self,
        network: Network,
        masks: Sequence[int],
        limits: Limits,
        clock: Clock,
        goal: Goal,
        arithmetic: Arithmetic,
    ) -> None:
        self._network, self._masks, self._limits, self._clock = network, masks, limits, clock
        self._free = goal is Goal.ANY
        self._factors = Factors(arithmetic, limits.megabytes)
        self._parts = Parts(network, masks, self._factors, free=self._free)
        self._cost = self._bound = self._parts.base
        self._places: dict[int, int] = {}
        self._searched = self._nodes = 0
        self._methods: set[str] = set()
        self._limit: str | None = None

    def run(self) -> Optimum | ImpossibleComponent:
        for part in self._parts:
            try:
                possible = self._solve(part)
            except LimitReached as reached:
                self._give_up(part, reached)
                continue
            if not possible:
                return ImpossibleComponent(tuple(self._parts.of_network(part)))
        values = []
        choices: dict[int, list[int]] = {}
        for v, mask in enumerate(self._masks):
            if mask not in choices:
                choices[mask] = bits_of(mask)
            values.append(choices[mask][self._places.get(v, 0)])
        methods = frozenset(self._methods)
        return Optimum(values, self._cost, self._bound, self._searched, self._nodes, methods, self._limit)

    def _solve(self, part: Part) -> bool:
        self._searched += 1
        instances = part.instances
        sizes = {v: self._parts.sizes[v] for v in part.variables}
        order, split = self._order(instances, sizes)
        try:
            elimination = self._eliminated(order[:split], instances, sizes)
        except MemoryReached:
            if self._limits.method is not Method.AUTO:
                raise
            split = self._narrow(order, _DENSE_ENTRIES)
            elimination = self._eliminated(order[:split], instances, sizes)
        if not elimination.feasible:
            return self._impossible()
        values: dict[int, int] = {}
        cost = bound = 0
        if split < len(order):
            outcome = self._wide([v for v, _ in reversed(order[split:])], elimination)
            if outcome is None:
                return self._impossible()
            values, cost, bound = outcome.values, outcome.cost, outcome.bound
            if bound < cost and self._clock.remaining is not None and (self._clock.expired or not outcome.finished):
                self._limit = self._clock.name
        if not self._factors.certain(elimination.base + cost):
            raise Overflow
        self._cost += elimination.base + cost
        self._bound += elimination.base + bound
        elimination.extend(values)
        self._places.update(values)
        return True

    def _eliminated(
        self, order: list[tuple[int, int]], instances: list[Instance], sizes: dict[int, int]
    ) -> Elimination:
        elimination = Elimination(self._factors, instances, sizes, [v for v, _ in order])
        elimination.run(self._clock)
        self._nodes += len(order)
        if order:
            self._methods.add("elimination")
        return elimination

    def _give_up(self, part: Part, reached: LimitReached) -> None:
        """Some legal values for a part that a limit stopped; a tenth of the time is left for that."""
        variables = self._parts.of_network(part)
        found = None if self._free else legal(self._network, self._masks, variables, self._clock.extended(0.1))
        if found is None:
            raise reached
        self._places.update(self._parts.places(part, found))
        tables = self._factors.tables
        cost = sum(int(tables[factor][tuple(self._places[v] for v in scope)]) for factor, scope in part.instances)
        if not self._factors.certain(cost):
            raise Overflow
        self._cost += cost
        self._limit = reached.limit

    def _impossible(self) -> bool:
        if not self._factors.certain(None):
            raise Overflow
        return False

    def _order(self, instances: list[Instance], sizes: dict[int, int]) -> tuple[list[tuple[int, int]], int]:
        """In which order to eliminate, and how many variables before the rest is too wide."""
        method, entries = self._limits.method, self._limits.table_entries
        order = elimination_order((scope for _, scope in instances), sizes)
        if method is Method.MILP:
            return order, 0
        if self._narrow(order, entries) < len(order):
            other = fewest_joined((scope for _, scope in instances), sizes)
            order = min(order, other, key=lambda each: max(weight for _, weight in each))
        if self._narrow(order, entries) == len(order):
            return order, len(order)
        if method is Method.ELIMINATION:
            raise LimitReached(f"table_entries={entries}")
        return order, self._narrow(order, min(entries, _DENSE_ENTRIES))

    def _narrow(self, order: list[tuple[int, int]], entries: int) -> int:
        """How many variables come before the first one whose table has more than ``entries``."""
        most = (entries.bit_length() - 1) * BIT if entries else -1
        return next((index for index, (_, weight) in enumerate(order) if weight > most), len(order))

    def _wide(self, rest: list[int], elimination: Elimination) -> WideOutcome | None:
        self._methods.add("milp")
        place = {v: index for index, v in enumerate(rest)}
        dense = Dense(
            tuple(self._parts.sizes[v] for v in rest),
            tuple((table, tuple(place[v] for v in scope)) for table, scope in elimination.remaining()),
            self._factors.arithmetic.forbidden,
        )
        outcome = cheapest(dense, self._clock, canonical=0 if self._free else 64)
        if outcome is None:
            return None
        self._nodes += outcome.nodes
        return attrs.evolve(outcome, values={rest[index]: value for index, value in outcome.values.items()})
