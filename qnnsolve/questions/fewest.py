"""Among the conflicts of some pins those with the fewest: :func:`with_fewest_pins`, :func:`smallest_hitting`.

A set of pins conflicts exactly if it shares a pin with every set of pins that, given up, leaves a config. So the
smallest sets that hit all of those are the smallest conflicts, and each is proven by a solve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from qnnsolve.constraints import Allow, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.rules.requested import PINNED, without_pins
from qnnsolve.solver import Conflict, Limits, Solution, Unsatisfiable, solve

__all__ = ["pins_of", "smallest_hitting", "with_fewest_pins", "words_of"]

TRIES = 20
"""So many solves look for a conflict with fewer pins."""
AT_MOST = 1000
"""So many sets are kept while they are put together."""


def words_of(constraint: object) -> str | None:
    """The words of a pin; None for what is none."""
    if isinstance(constraint, Allow) and constraint.reason.rule == PINNED:
        return str(constraint.reason.get("words"))
    return None


def pins_of(conflict: Conflict) -> frozenset[str]:
    """The words of the pins in a conflict."""
    return frozenset(words for words in map(words_of, conflict.constraints) if words is not None)


def smallest_hitting(sets: Sequence[frozenset[str]]) -> list[frozenset[str]] | None:
    """Every minimal set with a member of each of ``sets``, the smaller first; None where there are too many."""
    found: list[frozenset[str]] = [frozenset()]
    for each in sets:
        larger = {hit for hit in found if hit & each}
        larger |= {hit | {one} for hit in found if not hit & each for one in each}
        found = [one for one in larger if not any(other < one for other in larger)]
        if len(found) > AT_MOST:
            return None
    return sorted(found, key=lambda hit: (len(hit), sorted(hit)))


def with_fewest_pins(
    problem: Problem, conflict: Conflict, limits: Limits, wanted: Callable[[Conflict], bool] = lambda _: True
) -> Conflict:
    """A conflict of ``problem`` with as few pins as any has: ``conflict``, or one of those that are ``wanted``."""
    fewest = pins_of(conflict)
    every = frozenset(words for words in map(words_of, problem.constraints) if words is not None)
    corrections: list[frozenset[str]] = []
    for _ in range(TRIES if fewest else 0):
        hitting = smallest_hitting(corrections)
        if not hitting or len(hitting[0]) >= len(fewest):
            return conflict
        outcome = solve(without_pins(problem, every - hitting[0]), limits)
        if isinstance(outcome, Unsatisfiable):
            return next((each for each in outcome.conflicts if wanted(each)), conflict)
        if not isinstance(outcome, Solution):
            return conflict
        corrections.append(_broken(problem.constraints, outcome.encodings))
    return conflict


def _broken(constraints: Iterable[object], encodings: Mapping[Site, Encoding]) -> frozenset[str]:
    """The pins that a config does not keep."""
    return frozenset(
        str(words_of(each))
        for each in constraints
        if isinstance(each, Allow) and words_of(each) is not None and encodings[each.site] not in each.encodings
    )
