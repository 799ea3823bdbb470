"""The best config under budgets, against brute force: objective, budgets, several configs, what can be reached."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.solver import (
    Best,
    BudgetProgram,
    Exhausted,
    Limits,
    Measure,
    Method,
    OverBudget,
    Term,
    Unknown,
    Unsatisfiable,
    check,
)
from tests.solver.budget_problems import NAMES, amounts, legal_configs, measured
from tests.solver.generate import PALETTE, shuffled

WITHIN = 1e-6
examine = settings(max_examples=100, deadline=None, print_blob=True)
asked = st.builds(measured, st.randoms(use_true_random=False), st.integers(1, 5))
weights = st.sampled_from(({"noise": 1.0}, {"weights": 1.0}, {"noise": 1.0, "weights": 0.01}))
shares = st.fixed_dictionaries({}, optional={name: st.sampled_from((0.7, 1.0, 1.0, 1.3)) for name in NAMES})
picks = st.integers(0, 10**6)
methods = st.sampled_from((Method.AUTO, Method.MILP))


def program_of(problem: Problem, measures: tuple[Measure, ...], method: Method = Method.AUTO) -> BudgetProgram:
    program = BudgetProgram.of(problem, measures, Limits(method=method))
    assert isinstance(program, BudgetProgram)
    return program


def total(objective: Mapping[str, float], each: Mapping[str, float]) -> float:
    return math.fsum(weight * each[name] for name, weight in objective.items())


def holds(each: Mapping[str, float], budgets: Mapping[str, float]) -> bool:
    return all(each[name] <= most * (1 + 1e-9) for name, most in budgets.items())


@given(asked, weights, shares, picks, methods)
@examine
def test_best_under_budgets(
    case: tuple[Problem, tuple[Measure, ...]],
    objective: dict[str, float],
    share: dict[str, float],
    pick: int,
    method: Method,
) -> None:
    problem, measures = case
    legal = [amounts(measures, config) for config in legal_configs(problem)]
    if not legal:
        assert isinstance(BudgetProgram.of(problem, measures), Unsatisfiable)
        return
    budgets = {name: legal[pick % len(legal)][name] * part for name, part in share.items()}
    possible = [each for each in legal if holds(each, budgets)]
    program = program_of(problem, measures, method)
    best = program.least(objective, budgets, then="converts", within=0.3)
    if not possible:
        assert isinstance(best, OverBudget)
        assert best.short
        for short in best.short:
            beside = [each for each in legal if holds(each, {name: budgets[name] for name in short.beside})]
            assert short.asked == budgets[short.budget] < short.least
            assert short.least == pytest.approx(min(each[short.budget] for each in beside), WITHIN)
        return
    least = min(total(objective, each) for each in possible)
    near = [each["converts"] for each in possible if total(objective, each) <= least * 1.3 * (1 + 1e-9)]
    assert isinstance(best, Best)
    assert check(problem, best.encodings).legal
    assert best.amounts == amounts(measures, best.encodings)
    assert holds(best.amounts, budgets)
    assert best.bound <= least * (1 + 1e-9)
    assert best.amounts["converts"] == min(near)
    first = program.least(objective, budgets)
    assert isinstance(first, Best)
    assert first.proven
    assert first.objective == pytest.approx(least, WITHIN)
    assert set(first.prices) == set(budgets)
    assert all(price >= 0 for price in first.prices.values())


@given(asked, weights, methods)
@settings(examine, max_examples=60)
def test_several_configs_of_one_point(
    case: tuple[Problem, tuple[Measure, ...]], objective: dict[str, float], method: Method
) -> None:
    problem, measures = case
    legal = list(legal_configs(problem))
    assume(legal)
    program = program_of(problem, measures, method)
    seen: set[tuple[float, ...]] = set()
    found: list[Best] = []
    for _ in range(3):
        left = [total(objective, amounts(measures, config)) for config in legal if terms(measures, config) not in seen]
        answer = program.least(objective, distinct_from=[best.encodings for best in found])
        if isinstance(answer, Exhausted):
            assert not left
            break
        assert isinstance(answer, Best)
        assert check(problem, answer.encodings).legal
        assert all(answer.encodings != best.encodings for best in found)
        # Configs that differ where it matters may have equal terms, so there may be more than these.
        assert not left or answer.objective <= min(left) * (1 + WITHIN)
        assert not found or answer.objective >= found[-1].objective * (1 - WITHIN)
        found.append(answer)
        seen.add(terms(measures, answer.encodings))


def terms(measures: tuple[Measure, ...], config: Mapping[Site, Encoding]) -> tuple[float, ...]:
    return tuple([term.of(config) for measure in measures for term in measure.terms])


@given(asked, weights, st.integers(0, 99))
@settings(examine, max_examples=30)
def test_the_same_bytes_in_any_order(
    case: tuple[Problem, tuple[Measure, ...]], objective: dict[str, float], seed: int
) -> None:
    problem, measures = case
    one, other = BudgetProgram.of(problem, measures), BudgetProgram.of(shuffled(problem, seed), measures)
    assume(isinstance(one, BudgetProgram) and isinstance(other, BudgetProgram))
    assert isinstance(one, BudgetProgram) and isinstance(other, BudgetProgram)
    first, again, second = one.least(objective), one.least(objective), other.least(objective)
    assert written(first) == written(again) == written(second)


def written(answer: object) -> str:
    assert isinstance(answer, Best)
    return repr((answer.encodings, answer.amounts, answer.objective, answer.bound, answer.prices, answer.how))


SITES = Site("a"), Site("b")
PAIR = Problem(dict.fromkeys(SITES, PALETTE[:2]), ())


def wide(encoding: Encoding) -> float:
    return encoding.bits / 8


POWERS = dict(zip(SITES, (3.0, 1.0), strict=True))
NOISE = Measure("noise", tuple(Term((site,), {(PALETTE[0],): power}) for site, power in POWERS.items()))
WEIGHTS = Measure("weights", tuple(Term((site,), {(e,): wide(e) for e in PALETTE[:2]}) for site in SITES))


def test_the_price_of_a_budget_is_what_one_more_unit_saves() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    best = program.least({"noise": 1.0}, {"weights": 3})
    assert isinstance(best, Best)
    assert best.encodings == {SITES[0]: PALETTE[1], SITES[1]: PALETTE[0]}
    assert best.amounts == {"noise": 1.0, "weights": 3.0}
    assert 1.0 - 1e-6 <= best.prices["weights"] <= 3.0 + 1e-6


def test_what_is_impossible_says_what_can_be_reached() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    assert program.lowest("weights") == 2.0
    alone = program.least({"noise": 1.0}, {"weights": 1, "noise": 9})
    assert isinstance(alone, OverBudget)
    assert [(s.budget, s.asked, s.least, s.beside) for s in alone.short] == [("weights", 1, 2.0, ())]
    both = program.least({}, {"weights": 2, "noise": 2})
    assert isinstance(both, OverBudget)
    assert [(s.budget, s.least, s.beside) for s in both.short] == [
        ("weights", 3.0, ("noise",)),
        ("noise", 4.0, ("weights",)),
    ]


def test_an_infinite_budget_is_none() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    best = program.least({"noise": 1.0}, {"weights": math.inf})
    assert isinstance(best, Best)
    assert best.objective == 0.0
    assert best.prices == {"weights": 0.0}


def test_all_configs_and_then_none() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    found: list[Best] = []
    while isinstance(answer := program.least({"noise": 1.0}, distinct_from=[b.encodings for b in found]), Best):
        found.append(answer)
    assert [best.objective for best in found] == [0.0, 1.0, 3.0, 4.0]
    assert isinstance(answer, Exhausted)


def test_a_limit_is_no_answer_that_something_is_impossible() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    answer = program.least({"noise": 1.0}, {"weights": 1}, limits=Limits(seconds=0))
    assert isinstance(answer, Unknown | OverBudget)
    assert program.lowest("noise", Limits(seconds=0)) <= 0.0


def test_what_cannot_be_asked() -> None:
    program = program_of(PAIR, (NOISE, WEIGHTS))
    with pytest.raises(UnknownNameError, match="noise"):
        program.least({"nois": 1.0})
    with pytest.raises(UnknownNameError):
        program.lowest("weight")
    with pytest.raises(UsageError, match="weights=-1"):
        program.least({"noise": 1.0}, {"weights": -1})
    with pytest.raises(UsageError, match="within=nan"):
        program.least({"noise": 1.0}, within=math.nan)
    with pytest.raises(UsageError, match="noise=inf"):
        program.least({"noise": math.inf})
    with pytest.raises(ValueError, match="no site of the problem"):
        BudgetProgram.of(PAIR, (Measure("noise", (Term((Site("c"),), {(PALETTE[0],): 1.0}),)),))
    with pytest.raises(ValueError, match="one name"):
        BudgetProgram.of(PAIR, (NOISE, NOISE))
    with pytest.raises(ValueError, match="not negative"):
        Term((SITES[0],), {(PALETTE[0],): -1.0})
    with pytest.raises(ValueError, match="2 sites"):
        Term(SITES, {(PALETTE[0],): 1.0})


def test_the_generator_makes_all_kinds() -> None:
    kinds = {"fixed": 0, "choice": 0, "none": 0}
    for seed in range(60):
        problem, measures = measured(random.Random(seed), 5)
        reached = {tuple(amounts(measures, config).values()) for config in legal_configs(problem)}
        kinds["none" if not reached else "choice" if len(reached) > 1 else "fixed"] += 1
    assert all(count > 2 for count in kinds.values()), kinds
