"""A conflict that stands near the place of a question, without a solve of the whole: :func:`conflict_near`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qnnsolve.constraints import Constraint, Problem, Site
from qnnsolve.questions.opened import Opened
from qnnsolve.solver import Conflict, Unsatisfiable, solve

__all__ = ["conflict_near"]

FARTHEST = 4
"""Over so many constraints in a row a conflict is looked for."""


def conflict_near(opened: Opened, asked: Sequence[Constraint], *, staying: bool = False) -> Conflict | None:
    """What contradicts ``asked`` among the constraints around its sites; None where it reaches farther.

    What contradicts there contradicts in the whole. ``staying``: that ops stay on the accelerator counts, too.
    """
    kept = opened.staying_at if staying else {}
    for near in _rings(opened, {site for each in asked for site in each.sites}):
        sites = {site for each in (*near, *asked) for site in each.sites}
        more = [kept[site] for site in sorted(sites) if site in kept]
        domains = {site: opened.problem.domains[site] for site in sorted(sites)}
        outcome = solve(Problem(domains, (*near, *more, *asked)), opened.limits)
        if isinstance(outcome, Unsatisfiable):
            return outcome.conflicts[0]
    return None


def _rings(opened: Opened, reached: set[Site]) -> Iterator[list[Constraint]]:
    """The constraints over the sites, then those over what they reach, too, and so on."""
    found: dict[int, Constraint] = {}
    for _ in range(FARTHEST):
        found.update((id(each), each) for site in sorted(reached) for each in opened.constraints_at.get(site, ()))
        yield list(found.values())
        reached = {site for each in found.values() for site in each.sites}
