"""What stands in each other's way, and what to give up: :func:`conflicts_of`, :func:`repairs_of`.

With facts alone every graph has a config, so each conflict has a pin in it. A repair is a smallest set of pins without
which there is one; it is found by hitting every conflict, and proven by a solve.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import attrs

from qnnsolve.constraints import Allow, Problem
from qnnsolve.errors import UsageError
from qnnsolve.explain import describe
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.backends import chip_of
from qnnsolve.questions.answers import Clash, Repair
from qnnsolve.questions.chain import steps_of
from qnnsolve.questions.fewest import pins_of, smallest_hitting
from qnnsolve.questions.hints import hints_of
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.what_if import what_if
from qnnsolve.rules import problem_of
from qnnsolve.rules.requested import PINNED, without_pins
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import Conflict, Solution, Unsatisfiable, solve

__all__ = ["Clashing", "conflicts_of", "repairs_of"]

AT_MOST = 10
"""So many repairs are looked for."""


@attrs.frozen(eq=False)
class Clashing:
    """A solve whose pins are taken seriously; ``opened`` is what comes of giving up as few ports as can be."""

    opened: Opened
    pins: frozenset[str]
    """The words of every pin that some port has."""

    @classmethod
    def of(cls, solved: Solved | Run) -> Clashing:
        """The problem of a run with every pin as a demand, also where the run gave some up.

        Raises:
            UsageError: not even without its pins an answer was found within the limits.
        """
        strict = problem_of(solved.facts)
        nearest = solve(without_pins(strict), solved.limits)
        if not isinstance(nearest, Solution):
            raise UsageError("a limit was hit before any config was found")
        result = describe(solved.facts, strict, nearest, soc=solved.result.soc, timings=())
        pins = (str(c.reason.get("words")) for c in strict.constraints if c.reason.rule == PINNED)
        return cls(Opened(solved.facts, strict, nearest, result, solved.limits), frozenset(pins))

    def without(self, given_up: frozenset[str]) -> Problem:
        """The problem where some pins, by their words, are preferences only."""
        return without_pins(self.opened.problem, given_up)


def conflicts_of(clashing: Clashing) -> tuple[Clash, ...]:
    """Every conflict, those that overlap too: the pins in it, and the steps that show it; the fewest pins first.

    Where there are more than ten ways out, those that were met on the way to them.
    """
    met: dict[frozenset[str], Conflict] = {}
    ways_out: list[frozenset[str]] = []
    for given_up, outcome in _tried(clashing):
        if isinstance(outcome, Solution):
            ways_out.append(given_up)
        else:
            for conflict in outcome.conflicts:
                met.setdefault(pins_of(conflict), conflict)
    every = smallest_hitting(ways_out) if 0 < len(ways_out) < AT_MOST else None
    if every is not None:
        met = dict(_conflicts(clashing, every[:AT_MOST], met))
    ordered = sorted(met.items(), key=lambda each: (len(each[0]), sorted(each[0])))
    return tuple(_clash(clashing.opened, pins, conflict) for pins, conflict in ordered)


def _conflicts(
    clashing: Clashing, sets: Iterable[frozenset[str]], met: Mapping[frozenset[str], Conflict]
) -> Iterator[tuple[frozenset[str], Conflict]]:
    """For each smallest set of pins that cannot hold the conflict that shows it."""
    for pins in filter(None, sets):
        outcome = None if pins in met else solve(clashing.without(clashing.pins - pins), clashing.opened.limits)
        found = {pins_of(each): each for each in outcome.conflicts} if isinstance(outcome, Unsatisfiable) else met
        if pins in found:
            yield pins, found[pins]


def repairs_of(clashing: Clashing) -> tuple[Repair, ...]:
    """Smallest sets of pins to give up, the fewest and then the cheapest first; then a chip on which all hold."""
    found = []
    for given_up, outcome in _tried(clashing):
        if isinstance(outcome, Solution) and given_up:
            found.append(_repair(clashing, given_up, outcome))
    found.sort(key=lambda each: (len(each.give_up), each.ports, each.cost, each.give_up))
    return (*found, *(_chips(clashing) if found else ()))


def _tried(clashing: Clashing) -> Iterator[tuple[frozenset[str], Solution | Unsatisfiable]]:
    """Sets of pins that are given up, the smaller first, each with what the solver says; only minimal repairs."""
    queue: deque[frozenset[str]] = deque([frozenset()])
    met: set[frozenset[str]] = set(queue)
    repairs: list[frozenset[str]] = []
    while queue and len(repairs) < AT_MOST:
        given_up = queue.popleft()
        if any(repair <= given_up for repair in repairs):
            continue
        outcome = solve(clashing.without(given_up), clashing.opened.limits)
        if isinstance(outcome, Solution):
            repairs.append(given_up)
            yield given_up, outcome
        elif isinstance(outcome, Unsatisfiable):
            yield given_up, outcome
            for pin in sorted(pins_of(outcome.conflicts[0])):
                larger = given_up | {pin}
                if larger not in met:
                    met.add(larger)
                    queue.append(larger)


def _clash(opened: Opened, pins: frozenset[str], conflict: Conflict) -> Clash:
    return Clash(tuple(sorted(pins)), conflict.nodes, steps_of(opened, conflict), hints_of(opened, conflict))


def _repair(clashing: Clashing, given_up: frozenset[str], outcome: Solution) -> Repair:
    opened = clashing.opened
    lost = [
        f"{opened.named(c.site)} is {outcome.encodings[c.site]}, not {c.reason.get('what')}"
        for c in opened.problem.constraints
        if isinstance(c, Allow) and c.reason.rule == PINNED and str(c.reason.get("words")) in given_up
        if outcome.encodings[c.site] not in c.encodings
    ]
    return Repair(tuple(sorted(given_up)), "", len(lost), tuple(lost), outcome.cost)


def _chips(clashing: Clashing) -> Iterator[Repair]:
    """The nearest newer arch on which every pin holds."""
    opened = clashing.opened
    backend = backend_of(opened.facts.operators.backend)
    archs = backend.archs
    here = opened.facts.operators.arch
    for arch in archs[archs.index(here) + 1 :] if here in archs else ():
        chip = chip_of(backend, arch)
        if chip:
            solved, _ = what_if(opened, soc=chip)
            if isinstance(solved.outcome, Solution):
                yield Repair((), f"{chip} ({arch})", 0, (), solved.outcome.cost)
                return
