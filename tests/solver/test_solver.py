"""Particular cases: what a solution carries, huge costs, hash seeds, the checker, and what no problem may hold."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.synthetic import synthetic
from qnnsolve.constraints import Allow, Constraint, Convertible, Forbid, Prefer, Problem, Relation, Same, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import Limits, Method, check
from tests.solver.generate import random_problem
from tests.solver.problems import (
    AB,
    S8,
    U8,
    U16,
    WHY,
    A,
    B,
    everywhere,
    solution,
    triangle,
)


def test_a_problem_without_sites_costs_nothing() -> None:
    answer = solution(Problem({}, ()))
    assert (answer.cost, answer.proof, dict(answer.encodings), answer.groups) == (0, "optimal", {}, ())


def test_a_bridged_edge_is_a_convert_with_a_group_of_its_own() -> None:
    edge = Convertible(A, AB, frozenset({(U8, U16)}), 7, Reason.in_words("QC001", "may convert"))
    problem = Problem({A: (U8,), AB: (U16,), B: (U8,)}, (edge, Same((A, B), WHY)))
    answer = solution(problem)
    convert = answer.converts[0]
    assert (convert.site, convert.source, convert.target, convert.price) == (AB, U8, U16, 7)
    assert answer.groups == ((A, B), (AB,))
    assert dict(answer.breakdown) == {("Convertible", "QC001"): 7}


@pytest.mark.parametrize(("encoding", "groups"), [(U8, ((A, AB),)), (FLOAT, ((A,), (AB,)))])
def test_an_equal_edge_shares_a_scale_only_where_there_is_one(
    encoding: Encoding, groups: tuple[tuple[Site, ...], ...]
) -> None:
    edge = Convertible(A, AB, frozenset(), 7, WHY)
    answer = solution(Problem({A: (encoding,), AB: (encoding,)}, (edge,)))
    assert answer.groups == groups and answer.converts == () and answer.cost == 0


def test_at_equal_cost_no_convert_is_inserted() -> None:
    edge = Convertible(A, AB, frozenset({(U8, U16), (U16, U8)}), 5, WHY)
    wish = Prefer(AB, ((U8, 5),), WHY)
    pinned = Problem({A: (U8,), AB: (U8, U16)}, (edge, wish))
    answer = solution(pinned)
    assert answer.cost == 5 and answer.converts == () and answer.encodings[AB] == U8


def test_costs_beyond_int64_are_exact() -> None:
    sites = [Site(f"n{i:03}") for i in range(200)]
    rows = ((U8, U8), (U16, U16), (S8, S8))
    relation = Relation(rows, (2**60 + 1, 2**60, 2**60 + 2))
    links = tuple(Table(pair, relation, WHY) for pair in itertools.pairwise(sites))
    answer = solution(Problem(everywhere(sites, (U8, U16, S8)), links))
    assert answer.cost == 199 * 2**60 and answer.optimal


def test_a_chain_that_must_pay_more_than_int64_counts_is_exact() -> None:
    sites = [Site(f"n{i:03}") for i in range(300)]
    relation = Relation(((U8, U16), (U16, U8)), (2**40, 2**40 + 3))
    wishes = tuple(Prefer(site, ((U8, 2**40), (U16, 2**40 - 5)), WHY) for site in sites)
    links = tuple(Table(pair, relation, WHY) for pair in itertools.pairwise(sites))
    problem = Problem(everywhere(sites, (U8, U16)), links + wishes)
    pure = {site: (U8, U16)[place % 2] for place, site in enumerate(sites)}
    other = {site: (U16, U8)[place % 2] for place, site in enumerate(sites)}
    costs = [check(problem, pure).cost, check(problem, other).cost]
    assert solution(problem).cost == min(cost for cost in costs if cost is not None)


def test_costs_that_int64_must_leave_out_are_exact_where_they_decide() -> None:
    equal = Table((A, B), Relation(((U8, U8), (U16, U16)), (0, 0)), WHY)
    wishes = (Prefer(A, ((U8, 2**50),), WHY), Prefer(B, ((U16, 2**51),), WHY))
    answer = solution(Problem({A: (U8, U16), B: (U8, U16)}, (equal, *wishes)))
    assert answer.cost == 2**50 and answer.optimal


@pytest.mark.parametrize("method", Method)
def test_one_price_that_somebody_must_pay_is_proven(method: Method) -> None:
    rows = tuple(itertools.product((U8, U16), repeat=2))
    problem = triangle(Relation(rows, tuple(5 * (a == b) for a, b in rows)))
    answer = solution(problem, Limits(method=method))
    assert (answer.cost, answer.lower_bound) == (5, 5)
    assert [answer.encodings[Site(name)] for name in "abc"].count(U8) in (1, 2)


def test_synthetic_problems_are_satisfiable_connected_and_need_converts() -> None:
    answer = solution(synthetic(400))
    assert answer.statistics.components == 1 and answer.converts and answer.optimal and answer.cost < 2**30


SCRIPT = """
from tests.solver.generate import random_problem
from tests.solver.test_properties import written
from benchmarks.synthetic import synthetic
from qnnsolve.solver import solve
for problem in (synthetic(200), *(random_problem(seed) for seed in range(60))):
    print(written(solve(problem)))
"""


def test_same_bytes_under_any_hash_seed() -> None:
    root = Path(__file__).parents[2]
    outputs = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, env=environment, cwd=root, check=True)
        outputs.add(run.stdout)
    assert len(outputs) == 1 and len(outputs.pop()) > 10_000


def test_the_checker_sees_every_kind_of_violation() -> None:
    relation = Relation(((U8, U8), (U8, U16), (U8, U8)), (4, 0, 3))
    constraints = (
        Allow(A, frozenset({U16}), WHY),
        Forbid(A, frozenset({U8}), WHY),
        Same((A, B), WHY),
        Table((B, A), relation, WHY),
        Convertible(A, B, frozenset({(U16, U8)}), 1, WHY),
    )
    problem = Problem({A: (U8,), B: (U16,)}, constraints)
    assert check(problem, {A: U8, B: U16}).violations == constraints
    assert check(problem, {A: S8, B: U16}).violations[0] == A
    assert check(Problem({A: (U8,)}, (Table((A, A), relation, WHY),)), {A: U8}).cost == 3


def test_random_problems_are_reproducible() -> None:
    assert repr(random_problem(5)) == repr(random_problem(5)) != repr(random_problem(6))


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (Same((), WHY), "a Same of rule QX001 names no site"),
        (Table((), Relation((), ()), WHY), "a Table of rule QX001 names no site"),
        (Table((A, B), Relation(((U8,),), (0,)), WHY), "a Table of rule QX001 has 2 sites and 1 columns"),
        (Allow(AB, frozenset({U8}), WHY), "a Allow of rule QX001 names a -> b, which has no domain"),
    ],
)
def test_a_constraint_that_cannot_be_read_is_refused_by_its_rule(constraint: Constraint, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Problem({A: (U8,), B: (U8,)}, (constraint,))
