"""Whatever the limit that stops a solve, and wherever: what it answers is true."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.constraints import Problem
from qnnsolve.solver import Limits, Method, Solution, Unsatisfiable, check, solve
from tests.solver.generate import brute_force
from tests.solver.test_limits import Ticks
from tests.solver.test_properties import problems

limits = st.builds(
    Limits,
    seconds=st.integers(0, 25).map(lambda looks: looks / 1000),
    table_entries=st.sampled_from((0, 1, 4, 2**20)),
    method=st.sampled_from((Method.AUTO, Method.AUTO, Method.ELIMINATION, Method.MILP)),
)


@given(problems, limits)
@settings(max_examples=250, deadline=None, print_blob=True)
def test_a_stopped_solve_says_nothing_wrong(problem: Problem, limits: Limits) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("qnnsolve.solver.clock.time", Ticks())
        answer = solve(problem, limits)
    best = brute_force(problem)
    if isinstance(answer, Solution):
        verdict = check(problem, answer.encodings)
        assert verdict.legal and verdict.cost == answer.cost
        assert best is not None and answer.lower_bound <= best <= answer.cost
        # HiGHS counts with a tolerance: beside prices of several magnitudes it may end without a proof.
        assert answer.limit is not None or answer.optimal or "milp" in answer.statistics.methods
    elif isinstance(answer, Unsatisfiable):
        assert best is None and answer.conflicts
        for conflict in answer.conflicts:
            assert brute_force(Problem(problem.domains, conflict.constraints)) is None
    else:
        assert answer.limit
