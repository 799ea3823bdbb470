"""What comes of a limit of time, of memory or of a table's size, and who looks at the clock."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from benchmarks.synthetic import synthetic
from qnnsolve.constraints import Problem
from qnnsolve.encodings import Encoding
from qnnsolve.solver import (
    Best,
    BudgetProgram,
    Limits,
    Measure,
    Method,
    Solution,
    Term,
    Unknown,
    Unsatisfiable,
    check,
    solve,
)
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.optimum.dense import Dense
from qnnsolve.solver.optimum.milp import HighsFound
from qnnsolve.solver.optimum.wide import cheapest
from tests.solver.problems import (
    S8,
    U8,
    U16,
    alternating,
    conflicting,
    dear,
    grid,
    solution,
)


@pytest.mark.parametrize("problem", [grid(12), synthetic(300)], ids=["grid", "synthetic"])
def test_without_time_there_is_a_legal_config_and_what_it_may_be_off(problem: Problem) -> None:
    answer = solution(problem, Limits(seconds=0))
    assert answer.limit == "seconds=0" and answer.lower_bound < answer.cost and 0 < float(answer.proof) <= 1
    best = solution(problem)
    assert best.limit is None and answer.lower_bound <= best.cost <= answer.cost


@pytest.mark.parametrize("end", [U8, U16])
def test_without_time_what_is_not_trivial_is_unknown(end: Encoding) -> None:
    """Two encodings that must alternate: whether the ends fit takes a walk along the chain."""
    answer = solve(alternating(1000, (U8, end)), Limits(seconds=0))
    assert isinstance(answer, Unknown) and answer.limit == "seconds=0"
    assert isinstance(solve(alternating(1000, (U8, end))), Solution if end == U16 else Unsatisfiable)


def test_a_component_that_is_too_wide_does_not_cost_the_others_their_optimum() -> None:
    wide, narrow = grid(5), grid(2, apart="m")
    both = Problem(wide.domains | narrow.domains, (*wide.constraints, *narrow.constraints))
    answer = solution(both, Limits(table_entries=81, method=Method.ELIMINATION))
    assert answer.limit == "table_entries=81"
    here = {site: answer.encodings[site] for site in narrow.domains}
    assert check(narrow, here).cost == solution(narrow).cost


def test_little_memory_leaves_more_to_highs_and_costs_the_same() -> None:
    problem = grid(8)
    small = solution(problem, Limits(megabytes=1))
    assert small.optimal and small.cost == solution(problem).cost
    assert "milp" in small.statistics.methods and "milp" not in solution(problem).statistics.methods


class Ticks:
    """A clock on which every look takes a millisecond, so that a limit is hit after so many looks."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.looks / 1000


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    made = Ticks()
    monkeypatch.setattr("qnnsolve.solver.clock.time", made)
    return made


def test_propagation_looks_at_the_clock(ticks: Ticks) -> None:
    answer = solve(alternating(5000, (U8, U16)), Limits(seconds=0.01))
    assert isinstance(answer, Unknown) and ticks.looks < 30


def test_elimination_looks_at_the_clock(ticks: Ticks) -> None:
    answer = solution(grid(7), Limits(seconds=0.02))
    assert answer.limit == "seconds=0.02" and ticks.looks < 40


def test_the_search_for_a_first_solution_looks_at_the_clock(ticks: Ticks) -> None:
    answer = solution(grid(9), Limits(seconds=0.05, table_entries=0))
    assert answer.limit == "seconds=0.05" and ticks.looks < 80


@pytest.fixture
def ends(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each run of HiGHS would end by the time it is given; a run, and each look into its module, takes a tenth of
    a second of that clock, and is not cut short by the real one."""
    given: list[float] = []

    class Slow(ModuleType):
        def __getattr__(self, name: str) -> object:
            ticks.looks += 100
            wanted = getattr(optimize, name)
            return recorded(wanted) if name in ("milp", "linprog") else wanted

    def recorded(run: Any) -> Any:
        def running(*args: Any, options: dict[str, float], **others: Any) -> Any:
            given.append(options["time_limit"] + ticks.looks / 1000)
            ticks.looks += 100
            return run(*args, options=options | {"time_limit": 60}, **others)

        return running

    monkeypatch.setitem(sys.modules, "scipy.optimize", Slow("scipy.optimize"))
    return given


def test_highs_is_not_asked_once_the_time_is_over(ticks: Ticks, ends: list[float]) -> None:
    """Neither after the search for a first solution, nor again for a proof, nor for the smallest among equals."""
    assert solution(grid(9), Limits(seconds=0.05, table_entries=0)).limit == "seconds=0.05" and not ends
    ticks.looks = 0
    answer = solution(dear(9, 0), Limits(seconds=1.05, table_entries=0))
    assert answer.limit == "seconds=1.05" and answer.lower_bound < answer.cost and len(ends) == 1
    ticks.looks = 0
    ends.clear()
    assert solution(grid(6), Limits(seconds=1, table_entries=0)).optimal and len(ends) == 2


def test_where_neither_finds_anything_in_time_the_time_is_named(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> HighsFound:
        ticks.looks += 100
        return HighsFound(None, 0, finished=False, nodes=0)

    monkeypatch.setattr("qnnsolve.solver.optimum.wide.Milp.solve", nothing)
    dense = Dense((2, 2), ((np.array([[0, 9], [9, 0]]), (0, 1)),), 9)
    with pytest.raises(LimitReached, match=r"seconds=0\.05"):
        cheapest(dense, Clock(0.05), steps=0)


def test_what_the_import_of_highs_takes_counts(ends: list[float]) -> None:
    """A second, where a user may give three."""
    solution(grid(3), Limits(seconds=100, table_entries=0))
    assert ends and max(ends) <= 100.01


def test_what_the_import_of_highs_takes_counts_under_a_budget(ends: list[float]) -> None:
    problem = grid(2)
    each = tuple(Term((site,), {(e,): float(e.bits) for e in (U8, U16, S8)}) for site in problem.domains)
    narrow = tuple(Term((site,), {(U8,): 1.0}) for site in problem.domains)
    program = BudgetProgram.of(problem, (Measure("bits", each), Measure("narrow", narrow)), Limits(method=Method.MILP))
    assert isinstance(program, BudgetProgram)
    assert isinstance(program.least({"narrow": 1.0}, {"bits": 40}, limits=Limits(seconds=100)), Best)
    assert len(ends) >= 2 and max(ends) <= 100.01


def test_minimising_a_short_conflict_looks_at_the_clock(ticks: Ticks) -> None:
    answer = solve(alternating(20, (U8, U8)), Limits(seconds=0.002))
    assert isinstance(answer, Unsatisfiable) and ticks.looks < 5
    assert [conflict.irredundant for conflict in answer.conflicts] == [False]


def test_once_the_time_is_over_no_further_conflict_is_taken_up(ticks: Ticks) -> None:
    chains = [alternating(20, (U8, U8), apart) for apart in "abcdefgh"]
    domains = {site: candidates for chain in chains for site, candidates in chain.domains.items()}
    problem = Problem(domains, tuple(each for chain in chains for each in chain.constraints))
    answer = solve(problem, Limits(seconds=0.01))
    assert isinstance(answer, Unsatisfiable) and not answer.exhaustive
    assert len(answer.conflicts) < 8 and [each.irredundant for each in answer.conflicts].count(False) <= 1


def test_minimising_a_conflict_looks_at_the_clock_and_says_so(ticks: Ticks) -> None:
    problem = alternating(2000, (U8, U8))
    answer = solve(problem, Limits(seconds=0.05))
    assert isinstance(answer, Unsatisfiable) and ticks.looks < 80
    assert [conflict.irredundant for conflict in answer.conflicts] == [False]
    assert [conflict.irredundant for conflict in conflicting(problem).conflicts] == [True]
