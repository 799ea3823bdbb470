"""Where a network's layers repeat: found in what is said of its places one after another."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnnsolve.solver.places import layers

LAYER = tuple(range(20))


def found(*kinds: int) -> list[tuple[int, int]]:
    return [(each.start, each.stop) for each in layers(kinds)]


def test_layers_that_repeat_are_found_between_what_does_not() -> None:
    assert found(97, 98, *LAYER, *LAYER, *LAYER, 99) == [(2, 22), (22, 42), (42, 62)]
    assert found(*LAYER, *LAYER, 99, *LAYER) == [(0, 20), (20, 40)]


def test_a_layer_of_two_halves_that_differ_in_the_middle_is_one() -> None:
    other = (*LAYER[:10], 50, *LAYER[10:])
    assert found(*LAYER, *other, *LAYER, *other) == [(0, 41), (41, 82)]


@pytest.mark.parametrize("kinds", [(), LAYER, (*LAYER, *reversed(LAYER)), (1, 2, 1, 2, 1, 2, *LAYER)])
def test_where_no_layer_repeats_none_is_found(kinds: tuple[int, ...]) -> None:
    assert found(*kinds) == []


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=30), max_size=4), st.integers(1, 4))
def test_layers_are_apart_and_beside_one_like_them(parts: list[list[int]], times: int) -> None:
    kinds = [kind for part in parts for kind in part * times]
    runs = list(layers(kinds))
    for one, other in itertools.pairwise(runs):
        assert one.stop <= other.start
    said = [kinds[each.start : each.stop] for each in runs]
    for index, each in enumerate(said):
        assert each in said[max(index - 1, 0) : index] + said[index + 1 : index + 2]


class Counted(list[int]):
    """Counts the look-ups."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        self.looks += 1
        return super().__getitem__(at)


def test_what_was_compared_is_not_compared_again() -> None:
    half = list(range(1000))
    kinds = Counted([*half, -1, *half[:-1]])
    assert list(layers(kinds)) == []
    assert kinds.looks < 3 * len(kinds)
