"""Bucket elimination of one component (Dechter 1999): exact dynamic programming along an elimination order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qnnsolve.solver.clock import Clock
from qnnsolve.solver.optimum.factors import Factors, Table

__all__ = ["Elimination", "Instance"]

Instance = tuple[int, tuple[int, ...]]
"""A factor (by number) over variables, one per axis."""


class Elimination:
    """The factors of one component, and what is left of them while variables go.

    ``base`` is what the eliminated part costs at least; :meth:`extend` turns values of what remains into
    values of everything. A variable is set to its smallest best value given those eliminated after it, so
    the outcome is lexicographically smallest along the reversed order.
    """

    def __init__(self, factors: Factors, instances: Sequence[Instance], sizes: Mapping[int, int]) -> None:
        self.base = 0
        self.feasible = True
        self._factors = factors
        self._sizes = sizes
        self._single = dict.fromkeys(sizes, -1)
        self._instances: list[Instance | None] = []
        self._at: dict[int, list[int]] = {v: [] for v in sizes}
        self._record: list[tuple[int, tuple[int, ...], Table | None]] = []
        for factor, scope in instances:
            self._put(factor, scope)

    def _put(self, factor: int, scope: tuple[int, ...]) -> None:
        if factor < 0:
            return
        if len(scope) == 1:
            outcome = self._factors.add(self._single[scope[0]], factor)
            if outcome is None:
                self.feasible = False
            else:
                self.base += outcome[0]
                self._single[scope[0]] = outcome[1]
            return
        for v in scope:
            self._at[v].append(len(self._instances))
        self._instances.append((factor, scope))

    def run(self, order: Sequence[int], clock: Clock) -> None:
        """Eliminate these variables; stops as soon as nothing is possible (``feasible`` is False then).

        Raises:
            LimitReached: the time is over, or the tables take more memory than they may.
            Overflow: int64 does not hold the costs.
        """
        for v in order:
            clock.check()
            if not self.feasible:
                return
            self._eliminate(v)

    def _eliminate(self, v: int) -> None:
        instances = self._instances
        bucket = []
        for index in self._at.pop(v):
            instance = instances[index]
            if instance is not None:
                bucket.append(instance)
                instances[index] = None
        bucket.sort()
        if self._single[v] >= 0:
            bucket.append((self._single[v], (v,)))
        if not bucket:
            self._record.append((v, (), None))
            return
        places = {v: 0}
        key = []
        for factor, scope in bucket:
            for u in scope:
                if u not in places:
                    places[u] = len(places)
            key.append((factor, tuple([places[u] for u in scope])))
        outcome = self._factors.eliminate(tuple(key))
        if outcome.choice is None:
            self.feasible = False
            return
        del places[v]
        others = tuple(places)
        self.base += outcome.base
        self._record.append((v, others, outcome.choice))
        self._put(outcome.message, others)

    def remaining(self) -> list[tuple[Table, tuple[int, ...]]]:
        """The factors over what was not eliminated, in canonical order."""
        gone = {v for v, _, _ in self._record}
        left = [instance for instance in self._instances if instance is not None]
        left += [(factor, (v,)) for v, factor in self._single.items() if factor >= 0 and v not in gone]
        return [(self._factors.tables[factor], scope) for factor, scope in sorted(left, key=lambda i: (i[1], i[0]))]

    def extend(self, values: dict[int, int]) -> None:
        """Add the best value of every eliminated variable to ``values`` (places in the domains)."""
        for v, others, choice in reversed(self._record):
            values[v] = 0 if choice is None else int(choice[tuple([values[u] for u in others])])
