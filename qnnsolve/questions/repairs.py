"""What stands in each other's way, and what to give up: :func:`conflicts_of`, :func:`repairs_of`.

With facts alone every graph has a config, so each conflict has a pin in it. A repair is a smallest set of pins without
which there is one; it is found by hitting every conflict, and proven by a solve.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import attrs

from qnnsolve.constraints import Allow, Problem
from qnnsolve.errors import UsageError
from qnnsolve.explain import describe
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.backends import chip_of
from qnnsolve.questions.answers import Clash, Repair
from qnnsolve.questions.chain import steps_of
from qnnsolve.questions.conflicts import Examined, examined
from qnnsolve.questions.fewest import pins_of
from qnnsolve.questions.hints import hints_of
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.what_if import what_if
from qnnsolve.rules import of_own_rules, problem_of
from qnnsolve.rules.requested import PINNED, without_pins
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import Conflict, Solution, Unsatisfiable, solve

__all__ = ["Clashing", "conflicts_of", "repairs_of"]


@attrs.frozen(eq=False, slots=False)
class Clashing:
    """A solve whose pins are taken seriously; ``opened`` is what comes of giving up as few ports as can be."""

    opened: Opened
    pins: frozenset[str]
    """The words of every pin that some port has."""
    unpinned: tuple[Conflict, ...] = ()
    """What cannot hold with or without pins: rules of the user's own against each other, or against those that are
    shipped."""

    @classmethod
    def of(cls, solved: Solved | Run) -> Clashing:
        """The problem of a run with every pin as a demand, also where the run gave some up.

        Raises:
            UsageError: not even without its pins an answer was found within the limits.
        """
        backend = solved.facts.operators.backend
        strict = problem_of(solved.facts, more=of_own_rules(solved.problem, backend))
        nearest = solve(without_pins(strict), solved.limits)
        unpinned = nearest.conflicts if isinstance(nearest, Unsatisfiable) else ()
        if unpinned:
            nearest = solve(without_pins(problem_of(solved.facts)), solved.limits)
        if not isinstance(nearest, Solution):
            raise UsageError("a limit was hit before any config was found")
        result = describe(solved.facts, strict, nearest, soc=solved.result.soc, timings=())
        pins = (str(c.reason.get("words")) for c in strict.constraints if c.reason.rule == PINNED)
        return cls(Opened(solved.facts, strict, nearest, result, solved.limits), frozenset(pins), unpinned)

    def without(self, given_up: frozenset[str]) -> Problem:
        """The problem where some pins, by their words, are preferences only."""
        return without_pins(self.opened.problem, given_up)

    @cached_property
    def examined(self) -> Examined:
        """The conflicts, and the ways out."""
        return examined(lambda given_up: solve(self.without(given_up), self.opened.limits))


def conflicts_of(clashing: Clashing) -> tuple[Clash, ...]:
    """Every conflict, those that overlap too: the pins in it, and the steps that show it; the fewest pins first.

    Where there is no config without pins either, those in which no pin is.
    """
    if clashing.unpinned:
        return tuple(_clash(clashing.opened, pins_of(each), each) for each in clashing.unpinned)
    found = clashing.examined.conflicts
    return tuple(_clash(clashing.opened, pins, conflict) for pins, conflict in found.items())


def repairs_of(clashing: Clashing) -> tuple[Repair, ...]:
    """Smallest sets of pins to give up, the fewest and then the cheapest first; then a chip on which all hold."""
    if clashing.unpinned:
        return ()
    ways_out = clashing.examined.ways_out
    found = [_repair(clashing, given_up, outcome) for given_up, outcome in ways_out if given_up]
    found.sort(key=lambda each: (len(each.give_up), each.ports, each.cost, each.give_up))
    return (*found, *(_chips(clashing) if clashing.examined.conflicts else ()))


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
