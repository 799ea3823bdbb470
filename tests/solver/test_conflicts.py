"""Problems without a solution, and why an encoding is gone."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import attrs
import pytest

from qnnsolve.constraints import Allow, Forbid, Problem, Relation, Same, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.explain import conflict_in_words
from qnnsolve.reasons import Reason
from qnnsolve.solver import Limits, Method, Unsatisfiable, solve
from qnnsolve.solver.cores import _Cores
from qnnsolve.sources import Source, SourceKind
from tests.solver.generate import brute_force
from tests.solver.problems import (
    S8,
    U8,
    U16,
    WHY,
    A,
    B,
    alternating,
    conflicting,
    everywhere,
    solution,
    triangle,
)


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


def test_constraints_that_differ_in_their_sources_alone_are_cited_in_one_order() -> None:
    kinds = [Source(SourceKind.MEASURED, "here"), Source(SourceKind.DOCUMENT, "there")]
    pins = [Allow(A, frozenset({U16}), Reason.in_words("QX001", "the reason", (source,))) for source in kinds]
    removals = [solution(Problem({A: (U8, U16)}, order)).why_removed(A, U8) for order in ((*pins,), (*reversed(pins),))]
    assert len({removal[0].constraint.reason for removal in removals}) == 1


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
