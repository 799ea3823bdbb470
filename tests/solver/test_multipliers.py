"""Elimination in rounds, the bound by multipliers, and what HiGHS is left with: against brute force and HiGHS alone."""

from __future__ import annotations

import itertools
import os
import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.bench_budgets import measures_of, quantized
from benchmarks.synthetic import synthetic
from qnnsolve.constraints import Problem, Relation, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.solver import Best, BudgetProgram, Limits, Measure, Method, OverBudget, Term, check
from qnnsolve.solver.budgets.multipliers import dual
from qnnsolve.solver.budgets.query import ImpossibleBudget
from qnnsolve.solver.budgets.rounds import Rounds
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.muted import muted
from tests.solver.budget_problems import NAMES, amounts, legal_configs, measured
from tests.solver.generate import PALETTE, reason

examine = settings(max_examples=80, deadline=None, print_blob=True)
asked = st.builds(measured, st.randoms(use_true_random=False), st.integers(1, 5))
LEAST = {"noise": 1.0}


def program_of(problem: Problem, measures: tuple[Measure, ...], limits: Limits | None = None) -> BudgetProgram:
    program = BudgetProgram.of(problem, measures, limits or Limits())
    assert isinstance(program, BudgetProgram)
    return program


@given(asked, st.dictionaries(st.sampled_from(NAMES), st.sampled_from((0.5, 1.0, 1.2))), st.integers(0, 10**6))
@examine
def test_the_bound_is_never_above_the_best(
    case: tuple[Problem, tuple[Measure, ...]], share: dict[str, float], pick: int
) -> None:
    problem, measures = case
    legal = [amounts(measures, config) for config in legal_configs(problem)]
    assume(legal)
    budgets = {name: legal[pick % len(legal)][name] * part for name, part in share.items()}
    possible = [
        each["noise"] for each in legal if all(each[name] <= most * (1 + 1e-9) for name, most in budgets.items())
    ]
    program = program_of(problem, measures)
    query = program._query(LEAST, budgets)
    rounds = Rounds.of(query.columns, Limits())
    assert rounds is not None
    answer = dual(query, rounds, Clock(None))
    if isinstance(answer, ImpossibleBudget):
        assert not possible
    elif possible:
        assert answer.bound <= min(possible) * (1 + 1e-9)
        if answer.values is not None:
            config = program._config(answer.values)
            assert check(problem, config).legal
            assert amounts(measures, config)["noise"] == pytest.approx(answer.objective)
            assert answer.objective >= min(possible) * (1 - 1e-9)
        if not budgets:
            assert answer.objective == pytest.approx(min(possible), 1e-9)


@given(asked)
@settings(examine, max_examples=40)
def test_the_excess_of_a_column_is_what_it_costs_to_take_it(case: tuple[Problem, tuple[Measure, ...]]) -> None:
    problem, measures = case
    assume(any(True for _ in legal_configs(problem)))
    program = program_of(problem, measures)
    query = program._query(LEAST, {})
    assume(query.core.sizes)
    rounds = Rounds.of(query.columns, Limits())
    assert rounds is not None
    priced = rounds.price(query.columns.amounts @ query.weights)
    excess = np.full(len(query.columns.amounts), np.inf)
    for places in itertools.product(*map(range, query.core.sizes)):
        columns = query.columns.of(np.array(places, np.int64))
        if columns is not None:
            cost = float((query.columns.amounts[columns] @ query.weights).sum())
            excess[columns] = np.minimum(excess[columns], cost - priced.least)
    assert priced.excess() == pytest.approx(excess, abs=1e-12)


BUDGETS = ({"weights": 0.3}, {"operations": 0.1}, {"weights": 0.3, "converts": 0.3}, {"noise": 0.0, "weights": 0.0})


@pytest.mark.parametrize("shares", BUDGETS, ids=lambda shares: ", ".join(shares))
def test_on_a_graph_highs_alone_finds_the_same(shares: dict[str, float]) -> None:
    problem = quantized(synthetic(25))
    measures = measures_of(problem)
    both = [program_of(problem, measures, Limits(method=method)) for method in (Method.AUTO, Method.MILP)]
    free = both[0].least(LEAST)
    assert isinstance(free, Best)
    lowest = {name: both[0].lowest(name) for name in shares}
    budgets = {name: low + shares[name] * (free.amounts[name] - low) for name, low in lowest.items()}
    one, other = (program.least(LEAST, budgets) for program in both)
    if "noise" in shares:
        assert isinstance(one, OverBudget) and isinstance(other, OverBudget)
        assert [(s.budget, s.beside) for s in one.short] == [(s.budget, s.beside) for s in other.short]
        assert [s.least for s in one.short] == pytest.approx([s.least for s in other.short], 1e-6)
        return
    assert isinstance(one, Best) and isinstance(other, Best)
    assert "multipliers" in one.how and other.how == "milp"
    assert one.proven and other.proven
    assert one.objective == pytest.approx(other.objective, 1e-6)
    for answer in (one, other):
        assert check(problem, answer.encodings).legal
        assert all(answer.amounts[name] <= most * (1 + 1e-9) for name, most in budgets.items())
        assert answer.amounts == {measure.name: measure.of(answer.encodings) for measure in measures}
    rough = both[0].least(LEAST, budgets, gap=0.05)
    assert isinstance(rough, Best)
    assert rough.objective * 0.95 <= one.objective * (1 + 1e-6)
    assert rough.gap <= 0.05


def test_a_limit_of_time_ends_with_a_config_and_its_gap_or_with_neither() -> None:
    problem = quantized(synthetic(60))
    program = program_of(problem, measures_of(problem))
    free = program.least(LEAST, limits=Limits(seconds=0))
    assert isinstance(free, Best)
    assert free.proven
    budgets = {"weights": program.lowest("weights") * 1.3}
    answer = program.least(LEAST, budgets, limits=Limits(seconds=0))
    if isinstance(answer, Best):
        assert answer.limit == "seconds=0"
        assert not answer.proven


SITES = tuple(Site(f"n{number}") for number in range(14))


def long(rows: int, draw: random.Random) -> tuple[Problem, tuple[tuple[Encoding, ...], ...]]:
    """A table of few rows over many sites."""
    chosen = tuple({tuple(draw.choices(PALETTE, k=len(SITES))) for _ in range(rows)})
    chosen = tuple(sorted(chosen, key=lambda row: [encoding.name for encoding in row]))
    relation = Relation(chosen, (0,) * len(chosen))
    return Problem(dict.fromkeys(SITES, PALETTE), (Table(SITES, relation, reason(0)),)), chosen


@pytest.mark.parametrize("method", [Method.AUTO, Method.MILP])
def test_a_long_relation(method: Method) -> None:
    draw = random.Random(0)
    problem, rows = long(40, draw)
    noise = Measure("noise", (Term(SITES, {row: draw.random() for row in rows}),))
    weights = Measure("weights", tuple(Term((site,), {(e,): draw.random() for e in PALETTE}) for site in SITES))
    every = [amounts((noise, weights), dict(zip(SITES, row, strict=True))) for row in rows]
    program = program_of(problem, (noise, weights), Limits(method=method))
    budget = sorted(each["weights"] for each in every)[8]
    best = program.least(LEAST, {"weights": budget})
    assert isinstance(best, Best)
    assert best.objective == min(each["noise"] for each in every if each["weights"] <= budget)
    second = program.least(LEAST, {"weights": budget}, distinct_from=[best.encodings])
    assert isinstance(second, Best)
    assert second.objective == sorted(each["noise"] for each in every if each["weights"] <= budget)[1]


def test_a_long_term_needs_a_constraint_to_stand_on() -> None:
    problem = Problem(dict.fromkeys(SITES, PALETTE), ())
    with pytest.raises(ValueError, match="a term over 14 sites, n0 the first"):
        BudgetProgram.of(problem, (Measure("noise", (Term(SITES, {PALETTE[:1] * 14: 1.0}),)),))


def test_what_c_prints_is_muted(capfd: pytest.CaptureFixture[str]) -> None:
    with muted():
        os.write(1, b"inside")
    os.write(1, b"outside")
    assert capfd.readouterr().out == "outside"
