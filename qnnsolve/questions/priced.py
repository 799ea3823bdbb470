"""What every candidate at every port would cost, all at once: :func:`prices_of_all`; and why one is refused:
:class:`Refusals`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from qnnsolve.constraints import Allow, Constraint, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.questions.answers import Step, Verdict
from qnnsolve.questions.chain import steps_of
from qnnsolve.questions.opened import QUESTION, Opened
from qnnsolve.reasons import Reason
from qnnsolve.solver import Unsatisfiable, regrets, solve
from qnnsolve.sources import Source, SourceKind

__all__ = ["Price", "Refusals", "prices_of_all"]

FARTHEST = 4
"""Over so many constraints in a row a refusal is looked for."""


@attrs.frozen
class Price:
    """What came of asking for a candidate, and what the best config that has it costs ``more`` than the answer (None
    where none has it)."""

    verdict: Verdict
    more: int | None


def prices_of_all(opened: Opened) -> dict[Site, dict[Encoding, Price]]:
    """The price of every candidate at every site, as :func:`qnnsolve.questions.why_not` finds it one by one.

    ``CHOSEN``, ``DEARER``: everything on the accelerator stays there. ``OFF``: only where more ops go to the CPU (so
    does what is float there). Sites are missing where the solver's limits do not allow an exact answer; all are where
    the answer itself is not proven to be the best.
    """
    if opened.solution.proof != "optimal":
        return {}
    problem = opened.problem
    staying = regrets(attrs.evolve(problem, constraints=(*problem.constraints, *opened.staying)), opened.limits)
    moving = regrets(problem, opened.limits)
    return {
        site: {each: _price(opened, site, each, more, moving[site][each]) for each, more in costs.items()}
        for site, costs in staying.items()
        if site in moving
    }


def _price(opened: Opened, site: Site, encoding: Encoding, staying: int | None, moving: int | None) -> Price:
    if opened.encodings[site] == encoding:
        return Price(Verdict.CHOSEN, 0)
    if staying is not None:
        return Price(Verdict.DEARER, staying)
    return Price(Verdict.IMPOSSIBLE if moving is None else Verdict.OFF, moving)


@attrs.frozen(eq=False)
class Refusals:
    """Why candidates are refused, found near their ports: what contradicts there, contradicts in the whole."""

    opened: Opened
    at: Mapping[Site, tuple[Constraint, ...]]

    @classmethod
    def of(cls, opened: Opened) -> Refusals:
        """Those of a solve; what keeps ops on the accelerator is a reason, too."""
        found: dict[Site, list[Constraint]] = {}
        for constraint in (*opened.problem.constraints, *opened.staying):
            for site in dict.fromkeys(constraint.sites):
                found.setdefault(site, []).append(constraint)
        return cls(opened, {site: tuple(each) for site, each in found.items()})

    def steps(self, site: Site, encoding: Encoding, *, staying: bool) -> tuple[Step, ...]:
        """The steps that refuse ``encoding`` at ``site``; none where they reach too far.

        ``staying``: what keeps ops on the accelerator may be among them.
        """
        you = Source(SourceKind.USER, "this question")
        pin = Allow(site, frozenset({encoding}), Reason.in_words(QUESTION, f"you ask for {encoding.name}", (you,)))
        forbids = set(map(id, () if staying else self.opened.staying))
        for near in self._rings(site):
            kept = [each for each in near if id(each) not in forbids]
            sites = {each for constraint in (*kept, pin) for each in constraint.sites}
            domains = {each: self.opened.problem.domains[each] for each in sorted(sites)}
            outcome = solve(Problem(domains, (*kept, pin)), self.opened.limits)
            if isinstance(outcome, Unsatisfiable):
                return steps_of(self.opened, outcome.conflicts[0])
        return ()

    def _rings(self, site: Site) -> Iterator[list[Constraint]]:
        """The constraints over ``site``, then those over what they reach, too, and so on."""
        reached, found = {site}, dict[int, Constraint]()
        for _ in range(FARTHEST):
            found.update((id(each), each) for at in sorted(reached) for each in self.at.get(at, ()))
            yield list(found.values())
            reached = {each for constraint in found.values() for each in constraint.sites}
