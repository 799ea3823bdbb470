"""Components that are too wide for elimination: python-constraint's first solution, and HiGHS."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from qnnsolve.solver import Limits, Method
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.optimum.dense import Dense
from qnnsolve.solver.optimum.ordering import BIT, fewest_joined
from qnnsolve.solver.optimum.search import first_solution
from tests.solver.problems import (
    dear,
    grid,
    solution,
)


@pytest.mark.parametrize("entries", [0, 9, 27])
def test_a_wide_component_goes_to_highs_and_costs_the_same(entries: int) -> None:
    problem = grid(5)
    exact = solution(problem, Limits(method=Method.ELIMINATION))
    wide = solution(problem, Limits(table_entries=entries))
    assert "milp" in wide.statistics.methods and exact.statistics.methods == ("elimination",)
    assert wide.optimal and wide.cost == exact.cost
    assert dict(wide.encodings) == dict(exact.encodings)


@pytest.mark.parametrize("seed", range(4))
def test_what_must_be_on_the_cpu_hides_nothing_of_what_the_rest_costs(seed: int) -> None:
    problem = dear(7, seed)
    exact = solution(problem)
    wide = solution(problem, Limits(table_entries=0))
    assert exact.statistics.methods == ("elimination",) and exact.cost >= 2**30
    assert wide.optimal and wide.cost == exact.cost
    assert dict(wide.encodings) == dict(exact.encodings)


@pytest.mark.parametrize("seed", range(40))
def test_the_first_solution_of_python_constraint_is_one_and_none_is_a_proof(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sizes = tuple(int(size) for size in draw.integers(1, 4, 5))
    factors = []
    for _ in range(int(draw.integers(1, 8))):
        scope = tuple(int(v) for v in draw.permutation(5)[: draw.integers(1, 4)])
        table = draw.integers(0, 5, [sizes[v] for v in scope])
        factors.append((np.where(draw.random(table.shape) < 0.45, 99, table), scope))
    dense = Dense(sizes, tuple(factors), forbidden=99)
    every = [dict(enumerate(choice)) for choice in itertools.product(*map(range, sizes))]
    found = first_solution(dense, 100_000, Clock(None))
    if found is None:
        assert all(dense.cost(values) is None for values in every)
    else:
        assert dense.cost(found) is not None


def test_the_first_solution_gives_up_by_name_and_needs_no_variables() -> None:
    empty = Dense((), (), 99)
    assert first_solution(empty, 0, Clock(None)) == {}
    table = np.array([[99, 0], [0, 99]])
    with pytest.raises(LimitReached, match="search steps=0"):
        first_solution(Dense((2, 2), ((table, (0, 1)),), 99), 0, Clock(None))
    with pytest.raises(LimitReached, match="seconds=0"):
        first_solution(Dense((2, 2), ((table, (0, 1)),), 99), 20_000, Clock(0))


def test_the_second_order_gives_up_after_so_many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is then by number, and too wide for any table."""
    draw = random.Random(0)
    scopes = [tuple(draw.sample(range(60), 3)) for _ in range(200)]
    sizes = dict.fromkeys(range(60), 2)
    whole = fewest_joined(scopes, sizes)
    monkeypatch.setattr("qnnsolve.solver.optimum.ordering._PAIRS", 0)
    given_up = fewest_joined(scopes, sizes)
    assert sorted(v for v, _ in whole) == [v for v, _ in given_up] == list(range(60))
    assert min(weight for _, weight in given_up) >= 256 * BIT > max(weight for _, weight in whole)
