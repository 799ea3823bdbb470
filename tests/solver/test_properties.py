"""What the solver promises, against brute force: sound, complete, optimal, irredundant, independent of order."""

from __future__ import annotations

import collections
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.constraints import Prefer, Problem, Same, Table
from qnnsolve.explain import conflict_in_words
from qnnsolve.solver import Limits, Method, Removal, Solution, Unsatisfiable, check, solve
from tests.solver.generate import brute_force, graph_problem, moderate, random_problem, shuffled
from tests.solver.oracle import has_config

TIGHT = (0.2, 0.5, 0.8)
sources = st.randoms(use_true_random=False)
"""Each choice that a generator makes is one of hypothesis, so that a problem that fails shrinks."""
problems = st.one_of(
    st.builds(
        random_problem,
        sources,
        st.integers(1, 6),
        st.sampled_from(TIGHT),
        st.sampled_from((0.8, 1.5, 2.5)),
    ),
    st.builds(graph_problem, sources, st.integers(1, 6), st.sampled_from(TIGHT)),
)
examine = settings(max_examples=120, deadline=None, print_blob=True)


def step(removal: Removal) -> tuple[object, ...]:
    return (removal.site, removal.encoding, removal.constraint.reason, removal.because)


def written(answer: object) -> str:
    """Everything that an answer says, in order."""
    if isinstance(answer, Solution):
        return repr((answer.encodings, answer.groups, answer.converts, answer.breakdown, answer.lower_bound))
    assert isinstance(answer, Unsatisfiable)
    return repr([(conflict_in_words(c), list(map(step, c.derivation)), c.sites) for c in answer.conflicts])


@given(problems)
@examine
def test_sound_complete_and_optimal(problem: Problem) -> None:
    answer, best = solve(problem), brute_force(problem)
    if best is None:
        assert isinstance(answer, Unsatisfiable)
    else:
        assert isinstance(answer, Solution)
        verdict = check(problem, answer.encodings)
        assert verdict.legal
        assert verdict.cost == answer.cost == best == answer.lower_bound == sum(answer.breakdown.values())
        assert answer.proof == "optimal"


larger = st.builds(graph_problem, sources, st.integers(12, 40), st.sampled_from((0.5, 0.8, 0.9)))


@given(larger)
@settings(examine, max_examples=60)
def test_where_brute_force_does_not_reach_a_sat_solver_agrees(problem: Problem) -> None:
    answer = solve(problem)
    assert isinstance(answer, Solution) is has_config(problem)
    if isinstance(answer, Solution):
        assert check(problem, answer.encodings).cost == answer.cost


@given(problems)
@settings(examine, max_examples=60)
def test_a_sat_solver_and_brute_force_agree(problem: Problem) -> None:
    assert has_config(problem) is (brute_force(problem) is not None)


def test_larger_problems_are_of_both_kinds() -> None:
    kinds = collections.Counter(has_config(graph_problem(seed, 24, 0.8)) for seed in range(60))
    assert min(kinds[True], kinds[False]) >= 10, kinds


@pytest.mark.parametrize(
    "limits",
    [
        Limits(method=Method.ELIMINATION),
        Limits(method=Method.MILP),
        Limits(table_entries=4),
    ],
    ids=["elimination", "milp", "mixed"],
)
@given(problems)
@settings(examine, max_examples=60)
def test_every_method_finds_the_optimum_and_the_same_config(limits: Limits, problem: Problem) -> None:
    small = moderate(problem)
    answer, best, usual = solve(small, limits), brute_force(small), solve(small)
    if best is None:
        assert isinstance(answer, Unsatisfiable)
    else:
        assert isinstance(answer, Solution) and answer.cost == best and answer.optimal
    assert written(answer) == written(usual)


@given(problems)
@examine
def test_conflicts_are_irredundant_disjoint_and_all_there_are(problem: Problem) -> None:
    answer = solve(problem)
    if isinstance(answer, Unsatisfiable):
        assert answer.conflicts and answer.exhaustive
        members = [id(c) for conflict in answer.conflicts for c in conflict.constraints]
        assert len(set(members)) == len(members)
        for conflict in answer.conflicts:
            core = conflict.constraints
            assert conflict.irredundant and not any(isinstance(c, Prefer) for c in core)
            assert brute_force(Problem(problem.domains, core)) is None
            for left_out in range(len(core)):
                assert brute_force(Problem(problem.domains, core[:left_out] + core[left_out + 1 :])) is not None
        rest = tuple(c for c in problem.constraints if id(c) not in members)
        assert brute_force(Problem(problem.domains, rest)) is not None


@given(problems, problems)
@examine
def test_a_further_hard_constraint_never_makes_it_satisfiable(problem: Problem, other: Problem) -> None:
    if isinstance(solve(problem), Unsatisfiable):
        known = set(problem.domains)
        more = tuple(c for c in other.hard() if known.issuperset(c.sites))
        assert isinstance(solve(attrs.evolve(problem, constraints=tuple(problem.constraints) + more)), Unsatisfiable)


@given(problems, st.integers(0, 1000))
@examine
def test_input_order_leaves_no_trace(problem: Problem, seed: int) -> None:
    assert written(solve(problem)) == written(solve(shuffled(problem, seed)))


@given(problems)
@examine
def test_what_was_removed_is_in_no_config_and_every_step_rests_on_earlier_ones(problem: Problem) -> None:
    answer = solve(problem)
    assert isinstance(answer, Solution | Unsatisfiable)
    for site, domain in problem.domains.items():
        for encoding in domain:
            chain = answer.why_removed(site, encoding)
            known = {(s, e) for s, candidates in problem.domains.items() for e in DOMAIN if e not in candidates}
            for removal in chain:
                assert known.issuperset(removal.because)
                known.add((removal.site, removal.encoding))
            if chain:
                assert (chain[-1].site, chain[-1].encoding) == (site, encoding)
                pinned = attrs.evolve(problem, domains={**problem.domains, site: (encoding,)})
                used = tuple({id(c): c for r in chain for c in (r.constraint, *r.shared)}.values())
                assert brute_force(attrs.evolve(pinned, constraints=used)) is None


DOMAIN = frozenset(e for seed in range(20) for d in random_problem(seed).domains.values() for e in d)


def count(made: Iterable[Problem]) -> collections.Counter[str]:
    """How many problems are of each kind."""
    seen: collections.Counter[str] = collections.Counter()
    for problem in made:
        answer = solve(problem)
        assert isinstance(answer, Solution | Unsatisfiable)
        seen[type(answer).__name__] += 1
        seen["components"] += answer.statistics.components > 1
        if isinstance(answer, Solution):
            seen["searched"] += answer.statistics.searched > 0
            seen["converts"] += bool(answer.converts)
            seen["huge"] += answer.cost >= 2**30
        else:
            seen["several"] += len(answer.conflicts) > 1
            seen["removals"] += any(c.derivation for c in answer.conflicts)
        tables = [c for c in problem.constraints if isinstance(c, Table)]
        nodes = collections.Counter(max(site.user or site.node for site in table.sites) for table in tables)
        seen["several tables"] += any(number > 1 for number in nodes.values())
        ports = [set(table.sites) for table in tables]
        same = [set(c.sites) for c in problem.constraints if isinstance(c, Same)]
        seen["sharing ports"] += any(len(joined & over) > 1 for joined in same for over in ports)
    return seen


LEAST = {"Solution": 90, "Unsatisfiable": 60, "components": 60, "searched": 30, "converts": 10, "several": 20}


def test_the_generator_yields_every_kind_of_case() -> None:
    """Otherwise the properties above would hold of nothing."""
    seen = count(random_problem(seed, 6, TIGHT[seed % 3], (0.8, 1.5, 2.5)[seed // 3 % 3]) for seed in range(300))
    for kind, least in (LEAST | {"huge": 5, "removals": 60}).items():
        assert seen[kind] >= least, (kind, seen)


def test_so_does_the_one_of_graphs() -> None:
    seen = count(graph_problem(seed, 6, TIGHT[seed % 3]) for seed in range(300))
    for kind, least in (LEAST | {"several tables": 150, "sharing ports": 60}).items():
        assert seen[kind] >= least, (kind, seen)
