"""The exact optimum over what propagation left: split into components, eliminate, leave the wide rest to HiGHS.

Small components come first. One that a limit stops gets some legal config, and its bound says how far it may be off.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from contextlib import suppress

import attrs
import numpy as np

from qnnsolve.solver.clock import Clock, LimitReached, MemoryReached
from qnnsolve.solver.joint import Joint, bits_of
from qnnsolve.solver.limits import Limits, Method
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.dense import Dense
from qnnsolve.solver.optimum.elimination import Elimination, Instance
from qnnsolve.solver.optimum.factors import Arithmetic, Factors, Overflow
from qnnsolve.solver.optimum.legal import legal
from qnnsolve.solver.optimum.ordering import BIT, elimination_order, fewest_joined
from qnnsolve.solver.optimum.wide import cheapest

__all__ = ["Goal", "Impossible", "Optimum", "find_optimum"]

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
class Impossible:
    """Nothing is possible over these variables (a whole component)."""

    variables: tuple[int, ...]


def find_optimum(
    network: Network, masks: Sequence[int], limits: Limits, clock: Clock, goal: Goal
) -> Optimum | Impossible:
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
        self._compiled: dict[tuple[Joint, tuple[int, ...]], tuple[int, int, tuple[int, ...]]] = {}
        self._preferred: dict[tuple[int, ...], tuple[int, int]] = {}
        self._at: dict[int, list[int]] = {}
        self._instances: list[Instance] = []
        self._places: dict[int, int] = {}
        self._cost = self._bound = self._searched = self._nodes = 0
        self._methods: set[str] = set()
        self._limit: str | None = None

    def run(self) -> Optimum | Impossible:
        self._build()
        for variables, instances in sorted(self._components(), key=lambda part: (len(part[0]), part[0][0])):
            try:
                possible = self._solve(variables, instances)
            except LimitReached as reached:
                self._give_up(variables, instances, reached)
                continue
            if not possible:
                return Impossible(tuple(variables))
        values = []
        choices: dict[int, list[int]] = {}
        for v, mask in enumerate(self._masks):
            if mask not in choices:
                choices[mask] = bits_of(mask)
            values.append(choices[mask][self._places.get(v, 0)])
        methods = frozenset(self._methods)
        return Optimum(values, self._cost, self._bound, self._searched, self._nodes, methods, self._limit)

    def _build(self) -> None:
        """One factor per link and preference that still matters; what is certain goes into the cost."""
        network, masks = self._network, self._masks
        for scope, joint in zip(network.scopes, network.joints, strict=True):
            key = (joint, tuple([masks[v] for v in scope]))
            known = self._compiled.get(key)
            if known is None:
                known = self._compiled[key] = self._compile(*key)
            base, factor, axes = known
            self._cost += base
            if factor >= 0:
                self._put(factor, tuple([scope[axis] for axis in axes]))
        if not self._free:
            for v, costs in network.costs.items():
                self._prefer(v, costs)
        self._bound = self._cost

    def _compile(self, joint: Joint, masks: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        axes = tuple(axis for axis, mask in enumerate(masks) if mask & (mask - 1))
        table = joint.dense(masks, self._factors.arithmetic.forbidden, self._free)
        outcome = self._factors.number(table.reshape([table.shape[axis] for axis in axes]))
        assert outcome is not None, "propagation left a table without a row"
        return (*outcome, axes)

    def _prefer(self, v: int, costs: dict[int, int]) -> None:
        prices = tuple([costs.get(value, 0) for value in bits_of(self._masks[v])])
        known = self._preferred.get(prices)
        if known is None:
            outcome = self._factors.number(np.array(prices, dtype=object))
            assert outcome is not None
            known = self._preferred[prices] = outcome
        self._cost += known[0]
        if known[1] >= 0:
            self._put(known[1], (v,))

    def _put(self, factor: int, scope: tuple[int, ...]) -> None:
        for v in scope:
            self._at.setdefault(v, []).append(len(self._instances))
        self._instances.append((factor, scope))

    def _components(self) -> Iterator[tuple[list[int], list[Instance]]]:
        """Connected sets of variables with a choice that matters, by their first variable."""
        seen: set[int] = set()
        for start in sorted(self._at):
            if start in seen:
                continue
            seen.add(start)
            variables, indices, stack = [], set(), [start]
            while stack:
                v = stack.pop()
                variables.append(v)
                for index in self._at[v]:
                    if index not in indices:
                        indices.add(index)
                        fresh = [u for u in self._instances[index][1] if u not in seen]
                        seen.update(fresh)
                        stack.extend(fresh)
            yield sorted(variables), [self._instances[index] for index in sorted(indices)]

    def _solve(self, variables: list[int], instances: list[Instance]) -> bool:
        self._searched += 1
        sizes = {v: self._masks[v].bit_count() for v in variables}
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
            values, cost, bound = outcome
            if bound < cost and self._clock.expired:
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
        elimination = Elimination(self._factors, instances, sizes)
        elimination.run([v for v, _ in order], self._clock)
        self._nodes += len(order)
        if order:
            self._methods.add("elimination")
        return elimination

    def _give_up(self, variables: list[int], instances: list[Instance], reached: LimitReached) -> None:
        """Some legal values for a component that a limit stopped; a tenth of the time is left for that."""
        found = None if self._free else legal(self._network, self._masks, variables, self._clock.extended(0.1))
        if found is None:
            raise reached
        for v, value in found.items():
            self._places[v] = bits_of(self._masks[v]).index(value)
        tables = self._factors.tables
        cost = sum(int(tables[factor][tuple(self._places[v] for v in scope)]) for factor, scope in instances)
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

    def _wide(self, rest: list[int], elimination: Elimination) -> tuple[dict[int, int], int, int] | None:
        self._methods.add("milp")
        place = {v: index for index, v in enumerate(rest)}
        dense = Dense(
            tuple(self._masks[v].bit_count() for v in rest),
            tuple((table, tuple(place[v] for v in scope)) for table, scope in elimination.remaining()),
            self._factors.arithmetic.forbidden,
        )
        outcome = cheapest(dense, self._clock, canonical=0 if self._free else 64)
        if outcome is None:
            return None
        self._nodes += outcome.nodes
        return {rest[index]: value for index, value in outcome.values.items()}, outcome.cost, outcome.bound
