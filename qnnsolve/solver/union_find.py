"""Sites that share one encoding, as disjoint sets: :class:`UnionFind`."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["UnionFind"]


class UnionFind:
    """Disjoint sets of integers, each known by its least member. At first every item is a set of its own."""

    def __init__(self, items: Iterable[int]) -> None:
        self._parent = {item: item for item in items}

    def root(self, item: int) -> int:
        """The least member of the set of ``item``; halves the path there, so that later look-ups are short."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, one: int, other: int) -> None:
        """Make one set of those of ``one`` and ``other``."""
        parent = self._parent
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        while parent[other] != other:
            parent[other] = other = parent[parent[other]]
        if one < other:
            parent[other] = one
        elif other < one:
            parent[one] = other

    def roots(self) -> dict[int, int]:
        """The least member of the set of each item. The items were given in ascending order."""
        found: dict[int, int] = {}
        for item, parent in self._parent.items():
            found[item] = item if parent == item else found[parent]
        return found
