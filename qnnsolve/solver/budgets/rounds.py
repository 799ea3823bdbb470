"""The least sum of costs of the columns, by bucket elimination in rounds: compiled once, priced anew for each question.

In a round go variables that no factor connects, so that their tables are summed and minimised as a few stacks, one for
each shape. A graph of ten thousand ops takes some dozens of rounds, and a question to it a tenth of a second.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.columns import Columns, strides
from qnnsolve.solver.limits import Limits

__all__ = ["Priced", "Rounds"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Source = tuple[int, tuple[int, ...], Places | None]
"""What a bucket sums: the first of its cells among all values, its scope, and for a factor its row per cell."""

_ZERO, _NEVER, _FIRST = 0, 1, 2
"""Among all values: one that adds nothing, one that forbids, and the first column."""


@attrs.frozen(eq=False)
class Stack:
    """Buckets of one shape that go in one round: what each cell sums, and where the least over the first axis goes."""

    variables: Places
    others: Places
    steps: Places
    shape: tuple[int, int, int]
    sources: tuple[NDArray[np.int32], ...]
    target: slice


@attrs.frozen(eq=False)
class Priced:
    """The least sum, values that reach it, and how to ask for more."""

    least: float
    values: Places
    rounds: Rounds
    cells: Floats
    tables: tuple[Floats, ...]

    def excess(self) -> Floats:
        """By column: how far the least sum with that column lies above the least sum of all (which is finite)."""
        cells, best = self.cells, np.full(len(self.cells), np.inf)
        for stack, table in zip(reversed(self.rounds.stacks), reversed(self.tables), strict=True):
            own = cells[stack.target]
            # Where no one else uses a bucket's minimum, it is the least of its part of the graph.
            above = -own
            if len(stack.steps):
                above = np.full(len(own), np.inf)
                np.subtract(best[stack.target], own, out=above, where=np.isfinite(own))
            belief = (table.reshape(stack.shape) + above.reshape(stack.shape[0], 1, -1)).ravel()
            for source in stack.sources:
                np.minimum.at(best, source.ravel(), belief)
        return best[_FIRST : _FIRST + len(self.rounds.columns.amounts)]


class Rounds:
    """The schedule of an elimination, for any costs of the columns."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.stacks: list[Stack] = []
        self.size = _FIRST + len(columns.amounts)
        self._relative: dict[object, Places] = {}

    @classmethod
    def of(cls, columns: Columns, limits: Limits) -> Rounds | None:
        """The schedule; None where some table would be too large, or all of them together."""
        rounds = cls(columns)
        return rounds if rounds._schedule(limits) else None

    def price(self, costs: Floats) -> Priced:
        """The least sum of ``costs`` (one per column, infinity bars one); infinity where nothing is left."""
        cells = np.empty(self.size)
        cells[_ZERO], cells[_NEVER] = 0.0, np.inf
        cells[_FIRST : _FIRST + len(costs)] = costs
        tables = []
        least = 0.0
        for stack in self.stacks:
            table = cells[stack.sources[0]]
            for source in stack.sources[1:]:
                table += cells[source]
            tables.append(table)
            cells[stack.target] = table.reshape(stack.shape).min(axis=1).ravel()
            if not len(stack.steps):
                least += float(cells[stack.target].sum())
        values = np.zeros(len(self.columns.core.sizes), np.int64)
        for stack, table in zip(reversed(self.stacks), reversed(tables), strict=True):
            rest = values[stack.others] @ stack.steps if len(stack.steps) else np.zeros(len(stack.variables), np.int64)
            chosen = table.reshape(stack.shape)[np.arange(len(rest)), :, rest]
            values[stack.variables] = chosen.argmin(axis=1)
        return Priced(least, values, self, cells, tuple(tables))

    def _schedule(self, limits: Limits) -> bool:
        core, columns = self.columns.core, self.columns
        sizes = core.sizes
        near: list[set[int]] = [set() for _ in sizes]
        sources: list[dict[int, Source]] = [{} for _ in sizes]
        for v in range(len(sizes)):
            sources[v][-1 - v] = (_FIRST + int(columns.starts[v]), (v,), None)
        for k, factor in enumerate(core.factors):
            for v in factor.scope:
                near[v].update(factor.scope)
                sources[v][k] = (_FIRST + int(columns.firsts[k]), factor.scope, columns.cells(k))
        for v, neighbours in enumerate(near):
            neighbours.discard(v)
        number, left, room = len(core.factors), set(range(len(sizes))), (limits.megabytes or 1 << 20) << 20
        weight = {v: math.prod([sizes[u] for u in near[v]]) * sizes[v] for v in left}
        most = 64
        while left:
            going: list[int] = []
            blocked: set[int] = set()
            for v in sorted((v for v in left if weight[v] <= most), key=lambda v: (weight[v], v)):
                if v not in blocked:
                    going.append(v)
                    blocked |= near[v]
            if not going:
                most *= 4
                if most > max(64, limits.table_entries):
                    return False
                continue
            buckets: dict[tuple[tuple[int, ...], int], list[tuple[int, tuple[int, ...], list[Source]]]] = {}
            for v in going:
                others = tuple(sorted(near[v]))
                bucket = [sources[v][k] for k in sorted(sources[v])]
                shape = (sizes[v], *(sizes[u] for u in others))
                room -= math.prod(shape) * (4 * len(bucket) + 16)
                buckets.setdefault((shape, len(bucket)), []).append((v, others, bucket))
            if room < 0:
                return False
            for (shape, _), alike in sorted(buckets.items(), key=lambda item: item[0]):
                first = self.size
                self._stack(shape, alike)
                rest = math.prod(shape[1:])
                for at, (v, others, _) in enumerate(alike):
                    for u in others:
                        for k in sources[v]:
                            sources[u].pop(k, None)
                        sources[u][number] = (first + at * rest, others, None)
                        near[u] |= near[v]
                        near[u] -= {u, v}
                    number += 1
            left.difference_update(going)
            for u in {u for v in going for u in near[v]}:
                weight[u] = math.prod([sizes[t] for t in near[u]]) * sizes[u]
        return True

    def _stack(self, shape: tuple[int, ...], alike: list[tuple[int, tuple[int, ...], list[Source]]]) -> None:
        cells, rest = math.prod(shape), math.prod(shape[1:])
        count = len(alike[0][2])
        found = [np.empty((len(alike), cells), np.int32) for _ in range(count)]
        for at, (v, others, bucket) in enumerate(alike):
            place = {u: axis for axis, u in enumerate((v, *others))}
            for slot, (first, scope, rows) in enumerate(bucket):
                relative = self._cells_of(shape, tuple([place[u] for u in scope]), rows)
                np.add(relative, first, out=found[slot][at])
                if rows is not None:
                    found[slot][at][relative < 0] = _NEVER
        target = slice(self.size, self.size + len(alike) * rest)
        self.size += len(alike) * rest
        self.stacks.append(
            Stack(
                variables=np.array([v for v, _, _ in alike], np.int64),
                others=np.array([others for _, others, _ in alike], np.int64),
                steps=np.array(strides(shape[1:]), np.int64),
                shape=(len(alike), shape[0], rest),
                sources=tuple(found),
                target=target,
            )
        )

    def _cells_of(self, shape: tuple[int, ...], axes: tuple[int, ...], rows: Places | None) -> Places:
        """For each cell of a table of that shape, the cell of a source over these axes (through ``rows``, if any)."""
        key = shape, axes, None if rows is None else id(rows)
        if key not in self._relative:
            steps = strides(tuple([shape[axis] for axis in axes]))
            grid = np.indices(shape).reshape(len(shape), -1)
            flat = sum((grid[axis] * step for axis, step in zip(axes, steps, strict=True)), np.zeros(1, np.int64))
            self._relative[key] = flat if rows is None else rows[flat]
        return self._relative[key]
