"""Questions after the first are answered by a kept solve, as from scratch."""

from __future__ import annotations

import pytest

from qnnsolve.constraints import Allow, Constraint, Forbid
from qnnsolve.encodings import FLOAT
from qnnsolve.questions import why_not
from qnnsolve.questions.kept_solves import KeptSolves
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.places import NodePlace
from qnnsolve.reasons import Reason
from qnnsolve.solver import Solution, Unsatisfiable, solve
from tests.runs.kept import blocks, facts, solved

WHY = Reason.in_words("question", "a test asks for it")
SESSION = ("session",)


@pytest.fixture
def opened() -> Opened:
    return Opened.of(solved(facts(blocks(2))))


def asked(opened: Opened, *more: Constraint) -> Solution | Unsatisfiable:
    outcome = opened.solved_with(more)
    assert isinstance(outcome, (Solution, Unsatisfiable))
    return outcome


def test_every_answer_is_that_from_scratch(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [
        (NodePlace(opened.facts.graph[opened.facts.owner(site)], opened.facts.port(site), site), encoding.name)
        for site in sorted(opened.problem.domains)[::7]
        for encoding in opened.problem.domains[site][:2]
    ]
    kept = [why_not(opened, *each) for each in questions]
    monkeypatch.setattr(KeptSolves, "solved", lambda *_: None)
    assert kept == [why_not(opened, *each) for each in questions]
    assert len({answer.verdict for answer in kept}) > 1


def test_from_the_second_question_on_a_session_tells(opened: Opened) -> None:
    (site, taken) = next((s, e) for s, e in sorted(opened.encodings.items()) if e != FLOAT)
    pin = Allow(site, frozenset({taken}), WHY)
    sets: tuple[tuple[Constraint, ...], ...] = (pin,), (pin, *opened.staying)
    for more in sets:
        first, second = asked(opened, *more), asked(opened, *more)
        assert isinstance(first, Solution) and isinstance(second, Solution)
        assert first.statistics.methods != SESSION
        assert second.statistics.methods == SESSION
        assert (first.encodings, first.cost, first.converts, first.groups, first.breakdown, first.proof) == (
            second.encodings,
            second.cost,
            second.converts,
            second.groups,
            second.breakdown,
            second.proof,
        )


def test_what_is_impossible_has_its_conflicts(opened: Opened) -> None:
    site = opened.staying[0].site
    for _ in range(2):
        outcome = asked(opened, Allow(site, frozenset({FLOAT}), WHY), *opened.staying)
        assert isinstance(outcome, Unsatisfiable) and outcome.conflicts


def test_another_question_is_solved_from_scratch(opened: Opened) -> None:
    site = opened.staying[0].site
    others = (Forbid(site, frozenset({FLOAT}), WHY), *opened.staying), opened.staying[1:]
    for more in others:
        for _ in range(2):
            outcome = asked(opened, *more)
            assert isinstance(outcome, Solution) and outcome.statistics.methods != SESSION


def test_why_an_encoding_is_gone_is_told_of_the_pinned_problem(opened: Opened) -> None:
    (site, taken) = next((s, e) for s, e in sorted(opened.encodings.items()) if len(opened.problem.domains[s]) > 1)
    pin = Allow(site, frozenset({taken}), WHY)
    other = next(each for each in opened.problem.domains[site] if each != taken)
    outcomes = [asked(opened, pin) for _ in range(2)]
    told = [outcome.why_removed(site, other) for outcome in outcomes]
    assert told[0] and [each.constraint for each in told[0]] == [each.constraint for each in told[1]]
    assert isinstance(solve(opened.problem), Solution)
