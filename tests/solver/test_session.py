"""A kept solve, restricted, answers as a solve from scratch does."""

from __future__ import annotations

import random
from collections.abc import Callable
from unittest import mock

import attrs
import pytest

from benchmarks.bench_graph import transformer
from qnnsolve.constraints import Allow, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.reasons import Reason
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.solver import Limits, Solution, Unsatisfiable, check, solve
from qnnsolve.solver.session import Session
from tests.solver.generate import graph_problem, moderate, random_problem

WHY = Reason.in_words("QB900", "it is asked")


def _pinned(problem: Problem, allowed: dict[Site, frozenset[Encoding]]) -> Problem:
    pins = [Allow(site, encodings, WHY) for site, encodings in allowed.items()]
    return attrs.evolve(problem, constraints=(*problem.constraints, *pins))


def _agree(problem: Problem, session: Session, allowed: dict[Site, frozenset[Encoding]]) -> bool:
    """Whether there is a config. An independent checker accepts it, and it costs what a solve from scratch finds."""
    found, scratch = session.restricted(allowed), solve(_pinned(problem, allowed))
    if found is None:
        assert isinstance(scratch, Unsatisfiable)
        return False
    assert isinstance(scratch, Solution) and found.cost == scratch.cost
    verdict = check(_pinned(problem, allowed), session.encodings | dict(found.changed))
    assert verdict.legal and verdict.cost == found.cost
    return True


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("make", [random_problem, graph_problem])
def test_restricted_anew_as_from_scratch(make: Callable[[random.Random], Problem], seed: int) -> None:
    draw = random.Random(seed)
    problem = moderate(make(draw))
    before, session = solve(problem), Session.of(problem, Limits())
    if not isinstance(before, Solution):
        assert session is None
        return
    assert session is not None and session.cost == before.cost
    for _ in range(6):
        sites = draw.sample(sorted(problem.domains), min(len(problem.domains), draw.randrange(1, 4)))
        allowed = {
            site: frozenset(draw.sample(problem.domains[site], draw.randrange(1, len(problem.domains[site]) + 1)))
            for site in sites
        }
        _agree(problem, session, allowed)
    assert session.restricted({}) is not None


def test_a_pin_touches_a_few_buckets_of_thousands() -> None:
    facts = Facts.of(Graph.of(tuple(transformer(1040))), operator_facts("htp", "V68"), Request.of(precision("16a8w")))
    problem = problem_of(facts)
    session = Session.of(problem, Limits())
    assert session is not None and session.cost == solve(problem).cost  # type: ignore[union-attr]
    eliminated: list[int] = []

    def see(self: Session, turn: int, *given: object) -> object:
        eliminated.append(turn)
        return anew(self, turn, *given)  # type: ignore[arg-type]

    anew = Session._eliminated
    u8, u16, s4 = (Encoding.of_name(name) for name in ("u8", "u16", "s4/ch0"))
    with mock.patch.object(Session, "_eliminated", see):
        for site, encoding in ((Site("e40"), u8), (Site("n3"), u16), (Site("qw9", "q9"), s4)):
            eliminated.clear()
            assert _agree(problem, session, {site: frozenset({encoding})})
            assert 0 < len(eliminated) < 150
    fixed = frozenset({u8})
    assert not _agree(problem, session, {Site("t5"): fixed, Site("k5", "t5"): frozenset({u16})})


def test_what_no_kept_solve_can_say() -> None:
    site = Site("a")
    u8, u16 = Encoding.of_name("u8"), Encoding.of_name("u16")
    alone = Problem({site: (u8, u16)}, (Allow(site, frozenset({u8}), WHY), Allow(site, frozenset({u16}), WHY)))
    assert Session.of(alone, Limits()) is None
    session = Session.of(Problem({site: (u8, u16)}, ()), Limits())
    assert session is not None and session.encodings == {site: u16}
    found = session.restricted({site: [u8]})
    assert found is not None and found.changed == {site: u8} and found.cost == 0
    assert session.restricted({site: []}) is None
    with pytest.raises(KeyError):
        session.restricted({Site("b"): [u8]})
