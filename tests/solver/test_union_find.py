"""Disjoint sets, held to sets that are merged by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qnnsolve.solver.union_find import UnionFind

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(PAIRS)
def test_the_least_member_is_the_root_of_each_set(pairs: list[tuple[int, int]]) -> None:
    joined = UnionFind(range(10))
    sets = [{item} for item in range(10)]
    for one, other in pairs:
        joined.join(one, other)
        merged = sets[one] | sets[other]
        for item in merged:
            sets[item] = merged
    assert [joined.root(item) for item in range(10)] == [min(found) for found in sets]
