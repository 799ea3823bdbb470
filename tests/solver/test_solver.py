"""Particular cases: what a solution carries, limits, wide components, deep chains, huge costs, hash seeds."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import attrs
import numpy as np
import pytest

from benchmarks.synthetic import synthetic
from qnnsolve.constraints import Allow, Constraint, Convertible, Forbid, Prefer, Problem, Relation, Same, Site, Table
from qnnsolve.encodings import FLOAT, DType, Encoding
from qnnsolve.explain import conflict_in_words
from qnnsolve.reasons import Reason
from qnnsolve.solver import Limits, Method, Solution, Unknown, Unsatisfiable, check, solve
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.cores import _Cores
from qnnsolve.solver.optimum.dense import Dense
from qnnsolve.solver.optimum.search import first_solution
from qnnsolve.sources import Source, SourceKind
from tests.solver.generate import brute_force, random_problem

U8, U16, S8 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16), Encoding.symmetric(DType.INT8, 8)
WHY = Reason.in_words("QX001", "the reason")
A, B, AB = Site("a"), Site("b"), Site("a", "b")


def solution(problem: Problem, limits: Limits | None = None) -> Solution:
    answer = solve(problem, limits or Limits())
    assert isinstance(answer, Solution)
    assert check(problem, answer.encodings).cost == answer.cost
    return answer


def everywhere(sites: Iterable[Site], candidates: tuple[Encoding, ...]) -> dict[Site, tuple[Encoding, ...]]:
    return dict.fromkeys(sites, candidates)


def conflicting(problem: Problem) -> Unsatisfiable:
    answer = solve(problem)
    assert isinstance(answer, Unsatisfiable)
    return answer


def grid(side: int, candidates: tuple[Encoding, ...] = (U8, U16, S8), apart: str = "n") -> Problem:
    """Every neighbour differs or pays, with wishes: tree width grows with ``side``."""
    rows = tuple(itertools.product(candidates, repeat=2))
    relation = Relation(rows, tuple(5 if a == b else (3 if b is S8 else 1) for a, b in rows))
    sites = {(x, y): Site(f"{apart}{x:02}{y:02}") for x in range(side) for y in range(side)}
    constraints: list[Constraint] = []
    for (x, y), site in sites.items():
        for other in ((x + 1, y), (x, y + 1)):
            if other in sites:
                constraints.append(Table((site, sites[other]), relation, WHY))
        constraints.append(Prefer(site, ((candidates[(x * y + x) % len(candidates)], 2),), WHY))
    return Problem(everywhere(sites.values(), candidates), tuple(constraints))


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


def triangle(relation: Relation) -> Problem:
    sites = [Site(name) for name in "abc"]
    tables = tuple(Table(pair, relation, WHY) for pair in itertools.combinations(sites, 2))
    return Problem(everywhere(sites, (U8, U16)), tables)


@pytest.mark.parametrize("method", Method)
def test_one_price_that_somebody_must_pay_is_proven(method: Method) -> None:
    rows = tuple(itertools.product((U8, U16), repeat=2))
    problem = triangle(Relation(rows, tuple(5 * (a == b) for a, b in rows)))
    answer = solution(problem, Limits(method=method))
    assert (answer.cost, answer.lower_bound) == (5, 5)
    assert [answer.encodings[Site(name)] for name in "abc"].count(U8) in (1, 2)


def test_every_independent_conflict_is_reported() -> None:
    sites = [Site(f"n{i}") for i in range(6)]
    both = tuple(Same((a, b), WHY) for a, b in zip(sites[::2], sites[1::2], strict=True))
    domains: dict[Site, tuple[Encoding, ...]] = {site: ((U8,), (U16,))[place % 2] for place, site in enumerate(sites)}
    answer = conflicting(Problem(domains, both))
    assert [conflict.nodes for conflict in answer.conflicts] == [("n0", "n1"), ("n2", "n3"), ("n4", "n5")]
    assert [conflict.constraints for conflict in answer.conflicts] == [(same,) for same in both]


@pytest.mark.parametrize("prices", [(0, 0), (3, 4), (2**40, 2**40)])
@pytest.mark.parametrize("method", Method)
def test_a_conflict_that_no_propagation_shows_is_found_by_search(prices: tuple[int, int], method: Method) -> None:
    problem = triangle(Relation(((U8, U16), (U16, U8)), prices))
    answer = solve(problem, Limits(method=method))
    assert isinstance(answer, Unsatisfiable)
    assert len(answer.conflicts) == 1 and answer.conflicts[0].by_search
    assert set(answer.conflicts[0].constraints) == set(problem.constraints)


def test_why_removed_names_the_chain_of_causes() -> None:
    keep = Forbid(A, frozenset({U8}), Reason.in_words("QX002", "not here"))
    follow = Table((A, B), Relation(((U8, U8), (U16, U16)), (0, 0)), Reason.in_words("QX003", "as the input"))
    answer = solution(Problem({A: (U8, U16), B: (U8, U16)}, (follow, keep)))
    chain = answer.why_removed(B, U8)
    assert [(r.site, r.encoding, r.constraint) for r in chain] == [(A, U8, keep), (B, U8, follow)]
    assert chain[1].because == ((A, U8),)
    assert answer.why_removed(B, U16) == () == answer.why_removed(B, S8)
    with pytest.raises(KeyError):
        answer.why_removed(Site("nowhere"), U8)


def test_a_deep_chain_is_solved_refuted_and_explained_without_recursion() -> None:
    sites = [Site(f"n{i:04}") for i in range(5000)]
    shares = [Same(pair, WHY) for pair in itertools.pairwise(sites)]
    domains = everywhere(sites, (U8, U16))
    ends = (Allow(sites[0], frozenset({U8}), WHY), Allow(sites[-1], frozenset({U16}), WHY))
    answer = conflicting(Problem(domains, (*shares, *ends)))
    assert [len(conflict.constraints) for conflict in answer.conflicts] == [5001]
    assert conflict_in_words(answer.conflicts[0]) == (
        "the reason [QX001] at n0000, n4999; n0000 .. n4999 (5000 sites) share one encoding [QX001]"
    )
    assert len(answer.why_removed(sites[-1], U16)) == 5000
    relation = Relation(((U8, U8), (U16, U16), (U16, U8)), (0, 0, 3))
    links = tuple(Table(pair, relation, WHY) for pair in itertools.pairwise(sites))
    assert solution(Problem(domains, (*links, ends[1]))).cost == 0
    turned = (Allow(sites[0], frozenset({U16}), WHY), Allow(sites[-1], frozenset({U8}), WHY))
    assert solution(Problem(domains, (*links, *turned))).cost == 3


@pytest.mark.parametrize("problem", [grid(12), synthetic(300)], ids=["grid", "synthetic"])
def test_without_time_there_is_a_legal_config_and_what_it_may_be_off(problem: Problem) -> None:
    answer = solution(problem, Limits(seconds=0))
    assert answer.limit == "seconds=0" and answer.lower_bound < answer.cost and 0 < float(answer.proof) <= 1
    best = solution(problem)
    assert best.limit is None and answer.lower_bound <= best.cost <= answer.cost


def alternating(length: int, ends: tuple[Encoding, Encoding]) -> Problem:
    """A chain of neighbours that differ, in two encodings: one end decides the other."""
    sites = [Site(f"n{i:04}") for i in range(length)]
    relation = Relation(((U8, U16), (U16, U8)), (0, 0))
    links = tuple(Table(pair, relation, WHY) for pair in itertools.pairwise(sites))
    pins = (Allow(sites[0], frozenset({ends[0]}), WHY), Allow(sites[-1], frozenset({ends[1]}), WHY))
    return Problem(everywhere(sites, (U8, U16)), (*links, *pins))


@pytest.mark.parametrize("end", [U8, U16])
def test_without_time_what_is_not_trivial_is_unknown(end: Encoding) -> None:
    """Two encodings that must alternate: whether the ends fit takes a walk along the chain."""
    answer = solve(alternating(1000, (U8, end)), Limits(seconds=0))
    assert isinstance(answer, Unknown) and answer.limit == "seconds=0"
    assert isinstance(solve(alternating(1000, (U8, end))), Solution if end == U16 else Unsatisfiable)


def test_a_component_that_is_too_wide_does_not_cost_the_others_their_optimum() -> None:
    wide, narrow = grid(5), grid(2, apart="m")
    both = Problem(wide.domains | narrow.domains, wide.constraints + narrow.constraints)
    answer = solution(both, Limits(table_entries=81, method=Method.ELIMINATION))
    assert answer.limit == "table_entries=81"
    here = {site: answer.encodings[site] for site in narrow.domains}
    assert check(narrow, here).cost == solution(narrow).cost


def test_little_memory_leaves_more_to_highs_and_costs_the_same() -> None:
    problem = grid(8)
    small = solution(problem, Limits(megabytes=1))
    assert small.optimal and small.cost == solution(problem).cost
    assert "milp" in small.statistics.methods and "milp" not in solution(problem).statistics.methods


@pytest.mark.parametrize("entries", [0, 9, 27])
def test_a_wide_component_goes_to_highs_and_costs_the_same(entries: int) -> None:
    problem = grid(5)
    exact = solution(problem, Limits(method=Method.ELIMINATION))
    wide = solution(problem, Limits(table_entries=entries))
    assert "milp" in wide.statistics.methods and exact.statistics.methods == ("elimination",)
    assert wide.optimal and wide.cost == exact.cost
    assert dict(wide.encodings) == dict(exact.encodings)


def test_a_wide_impossible_component_is_refuted() -> None:
    sites = [Site(f"n{i}") for i in range(5)]
    encodings = (U8, U16, S8, FLOAT)
    rows = tuple(itertools.permutations(encodings, 2))
    differ = Relation(rows, (0,) * len(rows))
    clique = tuple(Table(pair, differ, WHY) for pair in itertools.combinations(sites, 2))
    problem = Problem(everywhere(sites, encodings), clique)
    answer = solve(problem, Limits(table_entries=0))
    assert isinstance(answer, Unsatisfiable)
    assert [len(conflict.constraints) for conflict in answer.conflicts] == [10]
    assert brute_force(attrs.evolve(problem, constraints=clique[1:])) == 0


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


def test_constraints_that_differ_in_their_sources_alone_are_cited_in_one_order() -> None:
    kinds = [Source(SourceKind.MEASURED, "here"), Source(SourceKind.DOCUMENT, "there")]
    pins = [Allow(A, frozenset({U16}), Reason.in_words("QX001", "the reason", (source,))) for source in kinds]
    removals = [solution(Problem({A: (U8, U16)}, order)).why_removed(A, U8) for order in ((*pins,), (*reversed(pins),))]
    assert len({removal[0].constraint.reason for removal in removals}) == 1


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


def test_minimising_a_conflict_looks_at_the_clock_and_says_so(ticks: Ticks) -> None:
    problem = alternating(2000, (U8, U8))
    answer = solve(problem, Limits(seconds=0.05))
    assert isinstance(answer, Unsatisfiable) and ticks.looks < 80
    assert [conflict.irredundant for conflict in answer.conflicts] == [False]
    assert [conflict.irredundant for conflict in conflicting(problem).conflicts] == [True]


def test_a_long_conflict_takes_few_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    """One solve per member made a chain of a thousand take eight seconds."""
    solves: list[int] = []
    refute = _Cores._refute

    def counted(self: _Cores, constraints: Collection[int]) -> set[int] | None:
        solves.append(len(constraints))
        return refute(self, constraints)

    monkeypatch.setattr(_Cores, "_refute", counted)
    conflict = conflicting(alternating(1000, (U8, U8))).conflicts[0]
    assert len(conflict.constraints) == 1001 and conflict.irredundant
    assert len(solves) < 20
