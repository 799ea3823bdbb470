"""Bucket elimination of one component (Dechter 1999): exact dynamic programming along an elimination order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qnnsolve.solver.clock import Clock
from qnnsolve.solver.optimum.factors import Factors, Table

__all__ = ["Elimination", "Instance"]

Instance = tuple[int, tuple[int, ...]]
"""A factor (by number) over variables, one per axis."""


class Elimination:
    """The factors of one component, and what is left of them while the variables of ``order`` go.

    A factor waits for that one of its variables that goes first. ``base`` is what the eliminated part costs at least;
    :meth:`extend` turns values of what remains into values of everything. A variable is set to its smallest best value
    given those eliminated after it, so the outcome is lexicographically smallest along the reversed order.
    """

    def __init__(
        self, factors: Factors, instances: Sequence[Instance], variables: Iterable[int], order: Sequence[int]
    ) -> None:
        self.base = 0
        self.feasible = True
        self._factors = factors
        self._order = order
        self._single = dict.fromkeys(variables, -1)
        self._turn = dict.fromkeys(self._single, len(order)) | {v: turn for turn, v in enumerate(order)}
        self._record: list[tuple[int, tuple[int, ...], Table | None, Table | None]] = []
        self._waiting: dict[int, list[Instance]] = {}
        turn = self._turn
        for instance in instances:
            scope = instance[1]
            if len(scope) == 1:
                self._add(instance[0], scope[0])
            else:
                self._waiting.setdefault(min([turn[v] for v in scope]), []).append(instance)

    def _add(self, factor: int, v: int) -> None:
        outcome = self._factors.add(self._single[v], factor)
        if outcome is None:
            self.feasible = False
        else:
            self.base += outcome[0]
            self._single[v] = outcome[1]

    def _send(self, factor: int, scope: tuple[int, ...]) -> None:
        if factor >= 0 and len(scope) == 1:
            self._add(factor, scope[0])
        elif factor >= 0:
            turn = self._turn
            self._waiting.setdefault(min([turn[v] for v in scope]), []).append((factor, scope))

    def run(self, clock: Clock) -> None:
        """Eliminate the variables; stops as soon as nothing is possible (``feasible`` is False then).

        Raises:
            LimitReached: the time is over, or the tables take more memory than they may.
            Overflow: int64 does not hold the costs.
        """
        for turn, v in enumerate(self._order):
            clock.check()
            if not self.feasible:
                return
            bucket = self._waiting.pop(turn, [])
            bucket.sort()
            self._eliminate(v, bucket)

    def _eliminate(self, v: int, bucket: list[Instance]) -> None:
        if self._single[v] >= 0:
            bucket.append((self._single[v], (v,)))
        if not bucket:
            self._record.append((v, (), None, None))
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
        self._record.append((v, others, outcome.choice, outcome.tied))
        self._send(outcome.message, others)

    def remaining(self) -> list[tuple[Table, tuple[int, ...]]]:
        """The factors over what was not eliminated, in canonical order."""
        left = sorted(self.left(), key=lambda instance: (instance[1], instance[0]))
        return [(self._factors.tables[factor], scope) for factor, scope in left]

    def left(self) -> list[Instance]:
        """As :meth:`remaining`, by number, in any order."""
        last = len(self._order)
        return self._waiting.get(last, []) + [
            (factor, (v,)) for v, factor in self._single.items() if factor >= 0 and self._turn[v] == last
        ]

    def extend(self, values: dict[int, int]) -> bool:
        """Add the best value of every eliminated variable to ``values`` (places in the domains).

        False where some variable has another value that is as good.
        """
        only = True
        for v, others, choice, tied in reversed(self._record):
            if choice is None or tied is None:
                values[v], only = 0, False
            else:
                at = tuple([values[u] for u in others])
                values[v] = int(choice[at])
                only = only and not tied[at]
        return only
