"""The relation ``reaches``: one node computes with what another yields, over any number of edges."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from graphlib import TopologicalSorter

from qnnsolve.logic.terms import Row

__all__ = ["Reaching"]


class Reaching:
    """Pairs of nodes with a way from the first to the second, of the edges of a graph without circles.

    Held as one number per node, whose bits are the nodes that it reaches.
    """

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        before: dict[str, list[str]] = {}
        self._readers: dict[str, list[str]] = {}
        for node, reader in edges:
            before.setdefault(node, [])
            before.setdefault(reader, []).append(node)
            self._readers.setdefault(node, []).append(reader)
        self._names = list(TopologicalSorter(before).static_order())
        self._number = {name: at for at, name in enumerate(self._names)}
        self._after, self._before = [0] * len(self._names), [0] * len(self._names)
        for at, name in enumerate(self._names):
            for each in before[name]:
                number = self._number[each]
                self._before[at] |= self._before[number] | 1 << number
        for at in reversed(range(len(self._names))):
            for each in self._readers.get(self._names[at], ()):
                number = self._number[each]
                self._after[at] |= self._after[number] | 1 << number
        self._count = sum(each.bit_count() for each in self._after)

    def __len__(self) -> int:
        return self._count

    def matching(self, columns: tuple[int, ...], key: Row) -> Sequence[Row]:
        """The pairs that have ``key`` in these columns."""
        if not columns:
            return [(name, later) for name in self._names for later in self._members(self._after[self._number[name]])]
        numbers = [self._number.get(str(each)) if isinstance(each, str) else None for each in key]
        if None in numbers:
            return ()
        first = numbers[0]
        assert first is not None
        if columns == (0,):
            return [(key[0], later) for later in self._members(self._after[first])]
        if columns == (1,):
            return [(earlier, key[0]) for earlier in self._members(self._before[first])]
        return [key] if numbers[1] is not None and self._after[first] >> numbers[1] & 1 else ()

    def expected(self, columns: tuple[int, ...], key: Row | None) -> float:
        """How many pairs that is, about."""
        return float(self._count / max(len(self._names), 1) ** len(columns))

    def way(self, start: str, end: str) -> list[str]:
        """The nodes on a shortest way between two nodes, of which the first reaches the second."""
        came_from, waiting = {start: ""}, deque([start])
        goal = self._number[end]
        while end not in came_from:
            node = waiting.popleft()
            for reader in self._readers.get(node, ()):
                number = self._number[reader]
                if reader not in came_from and (number == goal or self._after[number] >> goal & 1):
                    came_from[reader] = node
                    waiting.append(reader)
        found = [end]
        while found[-1] != start:
            found.append(came_from[found[-1]])
        return found[::-1]

    def _members(self, bits: int) -> Iterator[str]:
        while bits:
            lowest = bits & -bits
            yield self._names[lowest.bit_length() - 1]
            bits ^= lowest
