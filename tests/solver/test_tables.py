"""Relations over many sites: only those with a choice count, and few rows never become a table of every combination."""

from __future__ import annotations

import itertools

import pytest

from qnnsolve.constraints import Constraint, Convertible, Prefer, Problem, Relation, Site, Table
from qnnsolve.encodings import FLOAT, DType, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import Limits, Method, Solution, Unsatisfiable, check, solve
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum import parts
from qnnsolve.solver.optimum.factors import Arithmetic, Factors
from qnnsolve.solver.optimum.parts import Parts
from qnnsolve.solver.propagation import propagate
from tests.solver.generate import brute_force, graph_problem, random_problem

U8, U16, S8 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16), Encoding.symmetric(DType.INT8, 8)
WHY = Reason.in_words("QX001", "the reason")


def split(outputs: int, candidates: tuple[Encoding, ...] = (U8, U16, FLOAT)) -> Problem:
    """An op of many outputs: all alike, all float at a price; every second reader wants 16 bits, and may convert."""
    ports = [Site(f"n{place:03}") for place in range(outputs)]
    edges = [Site(port.node, "user") for port in ports]
    rows = tuple((each,) * outputs for each in candidates)
    relation = Relation(rows, (0,) * (len(rows) - 1) + (2**30,))
    pairs = frozenset(itertools.permutations((U8, U16), 2))
    constraints: list[Constraint] = [Table(tuple(ports), relation, WHY)]
    for place, (port, edge) in enumerate(zip(ports, edges, strict=True)):
        constraints.append(Convertible(port, edge, pairs, 3, WHY))
        constraints.append(Prefer(edge, (((U8, U16)[place % 3 == 0], 5), (FLOAT, 1000)), WHY))
    return Problem(dict.fromkeys(ports + edges, candidates), tuple(constraints))


def entries(problem: Problem) -> int:
    """How many entries all the tables have that a solve starts with."""
    model = Model(problem)
    network = Network(model, range(len(model.constraints)), range(len(model.sites)))
    factors = Factors(Arithmetic.fast())
    Parts(network, propagate(network, Clock(None)).masks, factors, free=False)
    return sum(table.size for table in factors.tables)


@pytest.mark.parametrize("outputs", [20, 70, 300])
@pytest.mark.parametrize("method", [Method.AUTO, Method.ELIMINATION])
def test_an_op_of_many_ports_is_exact_and_small(outputs: int, method: Method) -> None:
    problem = split(outputs)
    answer = solve(problem, Limits(method=method))
    assert isinstance(answer, Solution) and answer.optimal
    verdict = check(problem, answer.encodings)
    assert verdict.legal and verdict.cost == answer.cost == 3 * len(range(0, outputs, 3))
    assert entries(problem) <= 20 * outputs


def test_highs_finds_the_same_for_an_op_of_many_ports() -> None:
    problem = split(15)
    answer = solve(problem, Limits(method=Method.MILP))
    assert isinstance(answer, Solution) and (answer.cost, answer.optimal) == (15, True)


def test_columns_without_a_choice_need_no_axis() -> None:
    sites = [Site(f"n{place:03}") for place in range(70)]
    fixed = dict.fromkeys(sites[2:], (U8,))
    rows = ((U8,) * 70, (U16, *(U8,) * 69), (U16, U16, *(U8,) * 68), (FLOAT,) * 70)
    relation = Relation(rows, (7, 5, 6, 0))
    problem = Problem({**dict.fromkeys(sites[:2], (U8, U16, FLOAT)), **fixed}, (Table(tuple(sites), relation, WHY),))
    answer = solve(problem)
    assert isinstance(answer, Solution) and (answer.cost, answer.encodings[sites[0]]) == (5, U16)
    assert entries(problem) == 4  # n000 and n001 in u8 or u16


def test_one_row_is_no_table_at_all() -> None:
    sites = tuple(Site(f"n{place:03}") for place in range(100))
    problem = Problem(dict.fromkeys(sites, (U8, FLOAT)), (Table(sites, Relation(((FLOAT,) * 100,), (9,)), WHY),))
    answer = solve(problem)
    assert isinstance(answer, Solution) and (answer.cost, answer.statistics.searched) == (9, 0)
    assert entries(problem) == 0


@pytest.mark.parametrize("limits", [Limits(seconds=0), Limits(table_entries=1, method=Method.ELIMINATION)])
def test_stopped_short_it_still_answers_with_a_row(limits: Limits) -> None:
    problem = split(70)
    answer = solve(problem, limits)
    assert isinstance(answer, Solution) and answer.limit is not None
    assert check(problem, answer.encodings).cost == answer.cost >= answer.lower_bound


def test_rows_that_no_propagation_refutes_are_refuted() -> None:
    """Two ops over the same 30 ports whose rows meet column by column, and never as a whole."""
    sites = tuple(Site(f"n{place:03}") for place in range(30))

    def turned(place: int) -> tuple[Encoding, ...]:
        return tuple((U8, U16)[(place >> bit % 2) & 1] for bit in range(30))

    even, odd = Relation((turned(0), turned(3)), (0, 0)), Relation((turned(1), turned(2)), (0, 0))
    answer = solve(Problem(dict.fromkeys(sites, (U8, U16)), (Table(sites, even, WHY), Table(sites, odd, WHY))))
    assert isinstance(answer, Unsatisfiable)
    assert [len(conflict.constraints) for conflict in answer.conflicts] == [2]


@pytest.mark.parametrize("seed", range(60))
def test_as_stars_the_tables_of_small_problems_cost_what_brute_force_says(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "rows_are_few", lambda rows, sizes: len(sizes) > 1)
    for problem in (random_problem(seed, 6, 0.5, 2.0), graph_problem(seed)):
        answer, best = solve(problem), brute_force(problem)
        assert (answer.cost if isinstance(answer, Solution) else None) == best
        if isinstance(answer, Solution):
            assert check(problem, answer.encodings).cost == best and answer.optimal
