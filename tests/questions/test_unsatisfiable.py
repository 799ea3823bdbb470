"""Pins that cannot hold, in seeded and drawn graphs: every core is one, none is missed, every way out is one.

``benchmarks/unsatisfiable.py`` takes 200 graphs of up to 2,000 ops."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.questions import Clashing, conflicts_of, repairs_of
from qnnsolve.questions.conflicts import examined
from qnnsolve.report.questions import clash_lines
from qnnsolve.rules.requested import PINNED
from qnnsolve.solver import Solution, Unknown, solve
from tests.questions.planted import PINS, PLANTS, Planted, planted
from tests.runs.kept import blocks, contradiction, facts


def test_what_is_planted_is_a_smallest_conflict() -> None:
    for plant in PLANTS:
        broken, _ = Planted.of(1, [(pin, 0) for pin in plant]).brute_force()
        assert len(broken) == 1 and {len(each) for each in broken} == {len(plant)}


@pytest.mark.parametrize("seed", range(12))
def test_every_core_is_needed_none_is_missed_and_every_way_out_is_one(seed: int) -> None:
    assert [*planted(seed, 6).faults()] == []


@given(st.lists(st.sampled_from(PINS), min_size=1, max_size=6, unique=True))
@settings(max_examples=25, deadline=None, print_blob=True)
def test_conflicts_and_ways_out_are_all_that_trying_every_set_finds(pins: list[str]) -> None:
    tried = Planted.of(1, [(pin, 0) for pin in pins])
    broken, ways_out = tried.brute_force()
    found = tried.clashing.examined
    assert found.complete
    assert {*found.conflicts} == broken == {*tried.conflicts}
    told = {given_up for given_up, _ in found.ways_out}
    assert told == ways_out - {frozenset()}
    fewest = min(map(len, ways_out))
    repairs = [each for each in repairs_of(tried.clashing) if not each.soc]
    assert all(len(each.give_up) >= fewest for each in repairs)
    for repair in repairs[:1]:
        alike = [each for each in ways_out if len(each) == fewest]
        costs = [(_ports(tried, each), _cost(tried, each)) for each in alike]
        assert (repair.ports, repair.cost) == min(costs)


def test_where_a_limit_ends_the_search_what_was_found_is_told_and_that_there_may_be_more() -> None:
    tried = Planted.of(1, [("add@in[0]=u8", 0), ("add@in[1]=u16", 0), ("linear@weight=16w", 0)])
    answers = [solve(tried.clashing.without(frozenset())), Unknown("seconds=1")]
    found = examined(lambda _: answers.pop(0))
    assert not found.complete and len(found.conflicts) == 2 and found.ways_out == ()
    lines = [line.text for line in clash_lines((), complete=False)]
    assert lines[-1] == "a limit ended the search, so there may be more conflicts than these"


def _cost(tried: Planted, given_up: frozenset[str]) -> int:
    outcome = solve(tried.clashing.without(given_up))
    assert isinstance(outcome, Solution)
    return outcome.cost


def _ports(tried: Planted, given_up: frozenset[str]) -> int:
    outcome = solve(tried.clashing.without(given_up))
    assert isinstance(outcome, Solution)
    return sum(
        outcome.encodings[c.sites[0]] not in getattr(c, "encodings", ())
        for c in tried.clashing.opened.problem.constraints
        if c.reason.rule == PINNED and str(c.reason.get("words")) in given_up
    )


def test_the_judge_finds_faults() -> None:
    tried = Planted(1, ("gelu_0@in[0]=u8",), (frozenset({"gelu_0@in[0]=u8"}),))
    assert [*tried.faults()] == ["planted conflicts were not found"]
    tried = Planted.of(1, [("gelu@in[0]=u8", 0), ("gelu@out=u16", 0)])
    wrong = Planted(1, tried.pins, (frozenset({"gelu_0@out=u16"}),))
    assert any(fault.startswith("missed") for fault in wrong.faults())


def test_a_conflict_without_any_pin_is_not_laid_at_a_pin() -> None:
    clashing = Clashing.of(attrs.evolve(contradiction(), facts=facts(blocks(1))))
    (clash,) = conflicts_of(clashing)
    assert clash.pins == () and any("--pin a" in step.text for step in clash.steps)
    assert repairs_of(clashing) == ()
