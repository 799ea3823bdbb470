"""In which order to eliminate: the variable with the smallest table first (min-weight), ties by number.

Where that order needs too large a table, the one that adds the fewest new pairs of neighbours (min-fill) may do.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["BIT", "elimination_order", "fewest_joined", "inner_order"]

BIT = 1 << 16
"""Weights are log2 of table sizes in 1/65536 bits: integers, so that sums do not depend on their order."""
_SHIFT = 32
_MASK = (1 << _SHIFT) - 1
_FEW = 4
"""Up to so many neighbours are looked at one by one: quicker than a difference of sets."""
_WIDEST = 256
"""Beyond this many neighbours nothing can be eliminated, and the rest of the order is by number."""
_PAIRS = 5_000_000
"""So many pairs of neighbours min-fill looks at, about a second. A count: the order depends on the problem only."""


def elimination_order(scopes: Iterable[Sequence[int]], sizes: Mapping[int, int]) -> list[tuple[int, int]]:
    """(variable, weight of the table that its elimination builds), in order.

    ``sizes`` has the number of values of each variable; ``scopes`` only names these variables.
    """
    bits, near = _bits(sizes), _neighbours(scopes, sizes)
    weight = {v: bits[v] + sum([bits[u] for u in near[v]]) for v in sizes}
    order: list[tuple[int, int]] = []
    for v, w in _smallest_first(bits, near, weight, sizes):
        if len(near[v]) > _WIDEST:
            break
        order.append((v, w))
    order.extend((v, weight[v]) for v in sorted(near))
    return order


def _smallest_first(
    bits: Mapping[int, int], near: dict[int, set[int]], weight: dict[int, int], among: Collection[int]
) -> Iterator[tuple[int, int]]:
    """The variable of ``among`` whose elimination builds the smallest table, and the weight of that; it is eliminated
    (taken out of ``near``, its neighbours joined) before the next one."""
    heap = [weight[v] << _SHIFT | v for v in among]  # one integer compares faster than a pair
    heapq.heapify(heap)
    while heap:
        entry = heapq.heappop(heap)
        w, v = entry >> _SHIFT, entry & _MASK
        if v not in near or w != weight[v]:
            continue
        yield v, w
        others = near.pop(v)
        few = len(others) <= _FEW
        for u in others:
            mine = near[u]
            mine.discard(v)
            change = -bits[v]
            for t in others if few else others - mine:
                if t != u and t not in mine:
                    mine.add(t)
                    change += bits[t]
            if change:
                weight[u] += change
                if u in among:
                    heapq.heappush(heap, weight[u] << _SHIFT | u)


def fewest_joined(scopes: Iterable[Sequence[int]], sizes: Mapping[int, int]) -> list[tuple[int, int]]:
    """As :func:`elimination_order`, by the number of new pairs of neighbours that an elimination makes (min-fill).

    Where that takes too many looks at pairs, the rest of the order is by number, and counts as too wide to eliminate.
    """
    bits, near = _bits(sizes), _neighbours(scopes, sizes)
    left = _PAIRS

    def rank(v: int) -> tuple[int, int, int]:
        nonlocal left
        left -= math.comb(len(near[v]), 2) + 1
        pairs = itertools.combinations(near[v], 2)
        return sum(b not in near[a] for a, b in pairs), bits[v] + sum(bits[u] for u in near[v]), v

    ranks = {v: rank(v) for v in near if left > 0 and len(near[v]) <= _WIDEST}
    heap = list(ranks.values())
    heapq.heapify(heap)
    order: list[tuple[int, int]] = []
    while heap and left > 0:
        entry = heapq.heappop(heap)
        _, weight, v = entry
        if v not in near or entry != ranks.get(v):
            continue
        others = near.pop(v)
        order.append((v, weight))
        for u in others:
            near[u] |= others - {u}
            near[u].discard(v)
        for u in sorted(others.union(*(near[u] for u in others))):
            ranks.pop(u, None)
            if len(near[u]) <= _WIDEST:
                ranks[u] = rank(u)
                heapq.heappush(heap, ranks[u])
    order.extend((v, max(bits[v] + sum(bits[u] for u in near[v]), _WIDEST * BIT)) for v in sorted(near))
    return order


def inner_order(
    scopes: Iterable[Sequence[int]], sizes: Mapping[int, int], among: Collection[int], entries: int
) -> list[int]:
    """The variables of ``among`` in the order in which to eliminate them, the smallest table first; those that would
    need one of more than ``entries`` are left out."""
    bits, near = _bits(sizes), _neighbours(scopes, sizes)
    weight = {v: bits[v] + sum([bits[u] for u in near[v]]) for v in sizes}
    most = (entries.bit_length() - 1) * BIT
    steps = _smallest_first(bits, near, weight, among)
    return [v for v, _ in itertools.takewhile(lambda step: step[1] <= most, steps)]


def _bits(sizes: Mapping[int, int]) -> dict[int, int]:
    log = {size: math.ceil(math.log2(size) * BIT) for size in set(sizes.values())}
    return {v: log[size] for v, size in sizes.items()}


def _neighbours(scopes: Iterable[Sequence[int]], sizes: Mapping[int, int]) -> dict[int, set[int]]:
    near: dict[int, set[int]] = {v: set() for v in sizes}
    for scope in scopes:
        for v in scope:
            near[v].update(scope)
    for v, others in near.items():
        others.discard(v)
    return near
