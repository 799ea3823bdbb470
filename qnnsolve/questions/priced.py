"""What every candidate at every port would cost, all at once, and why one is refused."""

from __future__ import annotations

import attrs

from qnnsolve.constraints import Allow, Site
from qnnsolve.encodings import Encoding
from qnnsolve.questions.answers import ExplanationStep, PlaceVerdict
from qnnsolve.questions.chain import steps_of
from qnnsolve.questions.near import conflict_near
from qnnsolve.questions.opened import QUESTION, Opened
from qnnsolve.reasons import Reason
from qnnsolve.solver import regrets
from qnnsolve.sources import Source, SourceKind

__all__ = ["Price", "prices_of_all", "refusal"]


@attrs.frozen
class Price:
    """What came of asking for a candidate, and what the best config that has it costs ``more`` than the answer (None
    where none has it)."""

    verdict: PlaceVerdict
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
        return Price(PlaceVerdict.CHOSEN, 0)
    if staying is not None:
        return Price(PlaceVerdict.DEARER, staying)
    return Price(PlaceVerdict.IMPOSSIBLE if moving is None else PlaceVerdict.OFF, moving)


def refusal(opened: Opened, site: Site, encoding: Encoding, *, staying: bool) -> tuple[ExplanationStep, ...]:
    """The steps that refuse ``encoding`` at ``site``, as far as they are found near it; else none.

    ``staying``: that ops stay on the accelerator may be among them.
    """
    you = Source(SourceKind.USER, "this question")
    pin = Allow(site, frozenset({encoding}), Reason.in_words(QUESTION, f"you ask for {encoding.name}", (you,)))
    conflict = conflict_near(opened, [pin], staying=staying)
    return () if conflict is None else steps_of(opened, conflict)
