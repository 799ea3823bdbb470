"""What every candidate costs more than the best config: as one solve for each of them finds it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.constraints import Allow, Constraint, Convertible, Derived, Prefer, Problem, Table
from qnnsolve.solver import Limits, Solution, regrets, solve
from tests.solver.generate import brute_force, graph_problem, random_problem, reason

sources = st.randoms(use_true_random=False)
small = st.one_of(
    st.builds(random_problem, sources, st.integers(1, 5), st.sampled_from((0.2, 0.5, 0.8))),
    st.builds(graph_problem, sources, st.integers(1, 5), st.sampled_from((0.2, 0.5, 0.8))),
)


@given(small)
@settings(max_examples=80, deadline=None, print_blob=True)
def test_they_are_those_of_brute_force(problem: Problem) -> None:
    best = brute_force(problem)
    if best is None:
        assert regrets(problem, Limits()) == {}
        return
    found = regrets(problem, Limits())
    assert found.keys() == problem.domains.keys()
    for site, domain in problem.domains.items():
        assert set(found[site]) == set(domain)
        for encoding, more in found[site].items():
            alone = brute_force(Problem({**problem.domains, site: (encoding,)}, problem.constraints))
            assert more == (None if alone is None else alone - best)


@pytest.mark.parametrize("seed", range(6))
def test_they_are_those_of_a_solve_each(seed: int) -> None:
    problem = large(seed)
    best = best_of(problem)
    assert best is not None
    differing = set()
    for site, costs in regrets(problem, Limits()).items():
        for encoding, more in costs.items():
            pin = Allow(site, frozenset({encoding}), reason(0))
            alone = best_of(attrs.evolve(problem, constraints=(*problem.constraints, pin)))
            assert more == (None if alone is None else alone - best)
            differing.add(more)
    assert len(differing) > 1


def large(seed: int) -> Problem:
    """A problem with a config, of 20 to 30 sites."""
    tried = (graph_problem(1000 * seed + at, 30, 0.2) for at in range(1000))
    return next(each for each in tried if len(each.domains) >= 20 and best_of(each) is not None)


def best_of(problem: Problem) -> int | None:
    answer = solve(problem)
    return answer.cost if isinstance(answer, Solution) else None


def test_what_is_too_wide_or_too_late_is_left_out() -> None:
    wide = large(7)
    whole = regrets(wide, Limits())
    for limits in (Limits(table_entries=4), Limits(seconds=0)):
        narrow = regrets(wide, limits)
        assert narrow.keys() < whole.keys() and all(whole[site] == costs for site, costs in narrow.items())


def test_large_costs_are_exact() -> None:
    """Beyond 2**54 tables are Python integers."""
    wide = large(7)
    huge = attrs.evolve(wide, constraints=tuple(_times(each, 2**40 + 1) for each in wide.constraints))
    plain = regrets(wide, Limits())
    found = regrets(huge, Limits())
    assert {max(filter(None, each.values()), default=0) for each in found.values()} - {0}
    for site, costs in plain.items():
        assert found[site] == {each: None if cost is None else cost * (2**40 + 1) for each, cost in costs.items()}


def _times(each: Constraint, factor: int) -> Constraint:
    if isinstance(each, Table | Derived):
        prices = tuple(price * factor for price in each.relation.prices)
        return attrs.evolve(each, relation=attrs.evolve(each.relation, prices=prices))
    if isinstance(each, Prefer):
        return attrs.evolve(each, costs=tuple((encoding, cost * factor) for encoding, cost in each.costs))
    return attrs.evolve(each, price=each.price * factor) if isinstance(each, Convertible) else each
