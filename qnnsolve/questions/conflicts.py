"""Every conflict of some pins, and every smallest way out of all of them: :func:`examined`.

A smallest set that shares a pin with each known conflict is either a way out, which a solve proves, or what is left has
a conflict that was not known. Conflicts without a pin in common are looked at group by group, so that their ways out do
not multiply. At the end the ways out of all groups are tried together, which shows what two groups do to each other.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

import attrs

from qnnsolve.questions.fewest import pins_of, smallest_hitting
from qnnsolve.solver import Conflict, Solution, Unknown, Unsatisfiable

__all__ = ["Examined", "examined"]

WAYS_OUT = 10
"""So many are looked for."""
SOLVES = 200
"""That a search may take."""

Pins = frozenset[str]
Solve = Callable[[Pins], Solution | Unsatisfiable | Unknown]


@attrs.frozen(eq=False)
class Examined:
    """``conflicts`` by their pins, the fewest first, and proven ``ways_out``, each with what is left then.

    ``complete``: there is no other conflict within a group of conflicts that share pins, and none between groups on the
    ways out that were tried.
    """

    conflicts: dict[Pins, Conflict]
    ways_out: tuple[tuple[Pins, Solution], ...]
    complete: bool


class _Stopped(Exception):
    """A limit was hit, or the solves are used up."""


@attrs.define(eq=False)
class _Search:
    solve: Solve
    conflicts: dict[Pins, Conflict] = attrs.field(factory=dict)
    solved: dict[Pins, Solution] = attrs.field(factory=dict)

    def holds(self, given_up: Pins) -> Solution | None:
        """What is left without some pins; None where that has conflicts, which are noted."""
        if given_up in self.solved:
            return self.solved[given_up]
        if len(self.solved) + len(self.conflicts) >= SOLVES:
            raise _Stopped
        outcome = self.solve(given_up)
        if isinstance(outcome, Unknown):
            raise _Stopped
        if isinstance(outcome, Solution):
            self.solved[given_up] = outcome
            return outcome
        for conflict in outcome.conflicts:
            self.conflicts.setdefault(pins_of(conflict), conflict)
        return None

    def groups(self) -> list[list[Pins]]:
        """The conflicts, those that share pins together; in the order in which they were found."""
        groups: list[list[Pins]] = []
        for pins in self.conflicts:
            touching = [group for group in groups if any(pins & each for each in group)]
            groups = [group for group in groups if group not in touching]
            groups.append([*(each for group in touching for each in group), pins])
        return groups

    def within(self) -> list[list[Pins]]:
        """The smallest ways out of each group, all other pins in conflict given up; every one is proven."""
        while True:
            groups = self.groups()
            hitting = [_hitting(group) for group in groups]
            everything = [frozenset[str]().union(*group) for group in groups]
            trials = (
                each | frozenset[str]().union(*everything[:at], *everything[at + 1 :])
                for at, sets in enumerate(hitting)
                for each in sets
            )
            if all(self.holds(trial) is not None for trial in trials):
                return hitting

    def ways_out(self) -> Iterator[tuple[Pins, Solution]]:
        """Proven ways out of all groups at once, the fewest pins first."""
        while True:
            known = len(self.conflicts)
            found: list[tuple[Pins, Solution]] = []
            for given_up in _together(self.within()):
                outcome = self.holds(given_up)
                if outcome is None:
                    break
                found.append((given_up, outcome))
                if len(found) == WAYS_OUT:
                    break
            if len(self.conflicts) == known:
                yield from found
                return


def _hitting(group: Sequence[Pins]) -> list[Pins]:
    found = smallest_hitting(group)
    if found is None:
        raise _Stopped
    return found


def _together(choices: Sequence[Sequence[Pins]]) -> Iterator[Pins]:
    """One of each, joined; the fewest pins first."""

    def size(places: tuple[int, ...]) -> int:
        return sum(len(sets[place]) for sets, place in zip(choices, places, strict=True))

    start = (0,) * len(choices)
    heap, met = [(size(start), start)], {start}
    while heap:
        _, places = heapq.heappop(heap)
        yield frozenset[str]().union(*(sets[place] for sets, place in zip(choices, places, strict=True)))
        for at, sets in enumerate(choices):
            further = (*places[:at], places[at] + 1, *places[at + 1 :])
            if further[at] < len(sets) and further not in met:
                met.add(further)
                heapq.heappush(heap, (size(further), further))


def examined(solve: Solve) -> Examined:
    """The conflicts of some pins and the ways out; ``solve`` takes the pins that are given up."""
    search = _Search(solve)
    ways_out: tuple[tuple[Pins, Solution], ...] = ()
    complete = False
    try:
        if search.holds(frozenset()) is None:
            ways_out = tuple(search.ways_out())
        complete = True
    except _Stopped:
        proven = ((pins, outcome) for pins, outcome in search.solved.items() if pins)
        ways_out = tuple(_smallest(sorted(proven, key=lambda each: (len(each[0]), sorted(each[0])))))[:WAYS_OUT]
    smallest = [pins for pins in search.conflicts if not any(other < pins for other in search.conflicts)]
    ordered = [(pins, search.conflicts[pins]) for pins in sorted(smallest, key=lambda each: (len(each), sorted(each)))]
    return Examined(dict(ordered), ways_out, complete)


def _smallest(ways: Sequence[tuple[Pins, Solution]]) -> Iterator[tuple[Pins, Solution]]:
    for pins, outcome in ways:
        if not any(other < pins for other, _ in ways):
            yield pins, outcome
