"""Dense cost tables, each kept once: equal tables have one number, and an elimination is computed once per kind.

Layers of a network repeat, so most eliminations are look-ups. Tables are int64; a cost too large for exact sums
becomes *forbidden*, and only if the optimum could have needed it (:class:`Overflow`) the same code runs again on
Python integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.clock import MemoryReached

__all__ = ["Arithmetic", "Eliminated", "Factors", "Overflow"]

Table = NDArray[Any]
Key = tuple[tuple[int, tuple[int, ...]], ...]
"""A bucket: (factor, its axes as places in the bucket's scope); place 0 is the variable to eliminate."""


class Overflow(Exception):
    """The optimum may need a cost outside the range in which int64 sums are exact."""


@attrs.frozen
class Arithmetic:
    """How costs are held: the dtype, the value that stands for *forbidden*, and the largest finite one."""

    dtype: type
    forbidden: int
    largest: int

    @classmethod
    def fast(cls) -> Arithmetic:
        """int64. A sum of 32 finite costs stays below half of *forbidden*, and two of *forbidden* do not wrap."""
        return cls(np.int64, 1 << 61, 1 << 54)

    @classmethod
    def exact(cls, total: int) -> Arithmetic:
        """Python integers, for problems whose costs sum up to at most ``total``."""
        return cls(object, (total + 1) << 2, total + 1)


@attrs.frozen(eq=False)
class Eliminated:
    """The bucket's minimum is ``base`` plus factor ``message`` (-1: nothing) over places 1..; ``choice`` is the
    smallest minimising value, or ``None`` when nothing is possible. ``tied`` is where it is not the only one."""

    base: int
    message: int
    choice: Table | None
    tied: Table | None


class Factors:
    """The tables of one solve, numbered from 0 in the order in which they first appear.

    A table is normalised: its least entry is 0, and what was taken off is returned beside its number.
    """

    MOST = 32

    def __init__(self, arithmetic: Arithmetic, megabytes: int | None = None) -> None:
        """``megabytes`` is what all tables together may take; ``None`` sets no limit."""
        self.arithmetic = arithmetic
        self._megabytes, self._bytes = megabytes, 0
        self.tables: list[Table] = []
        self.saturated = False
        self._numbers: dict[tuple[object, ...], int] = {}
        self._eliminated: dict[Key, Eliminated] = {}
        self._added: dict[tuple[int, int], tuple[int, int]] = {}
        self._projected: dict[tuple[Key, tuple[int, ...]], int | None] = {}

    def number(self, table: Table) -> tuple[int, int] | None:
        """(what was taken off, number; -1 if the rest is all zero), or ``None`` if every entry is forbidden.

        An entry that is too large for int64 becomes forbidden, which ``saturated`` then says.
        """
        arithmetic = self.arithmetic
        least = int(table.min())
        if least >= arithmetic.forbidden:
            return None
        if not table.ndim:
            return least, -1
        rest: Table = table - least
        blocked = rest > arithmetic.largest
        if blocked.any():
            if not self.saturated and (table[blocked] < arithmetic.forbidden).any():
                self.saturated = True
            rest[blocked] = arithmetic.forbidden
        rest = rest.astype(arithmetic.dtype, copy=False)
        if not rest.any():
            return least, -1
        raw = rest.tobytes() if rest.dtype != object else tuple(rest.ravel().tolist())
        key = (rest.shape, raw)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.tables)
            self.tables.append(rest)
            self._bytes += 2 * rest.nbytes  # the table, and its key
        return least, known

    def certain(self, cost: int | None) -> bool:
        """Whether an optimum of that cost (``None``: no solution) holds although entries were made forbidden.

        Whatever uses such an entry costs more than ``largest``, since no cost is negative.
        """
        return not self.saturated or (cost is not None and cost <= self.arithmetic.largest)

    def add(self, first: int, second: int) -> tuple[int, int] | None:
        """The sum of two factors over the same axes, as :meth:`number`; -1 is the factor of zeros."""
        if first < 0 or second < 0:
            return 0, max(first, second)
        key = (min(first, second), max(first, second))
        known = self._added.get(key)
        if known is None:
            outcome = self.number(self._sum([self.tables[first], self.tables[second]]))
            if outcome is None:
                return None
            known = self._added[key] = outcome
        return known

    def _sum(self, tables: list[Table]) -> Table:
        limit: Callable[[Table, Table], Table] = lambda a, b: np.minimum(a + b, self.arithmetic.forbidden)  # noqa: E731
        return reduce(limit, tables)

    def eliminate(self, bucket: Key) -> Eliminated:
        """Minimise the bucket's sum over place 0.

        Raises:
            MemoryReached: the tables would take more memory than they may.
            Overflow: too many factors for an exact sum.
        """
        known = self._eliminated.get(bucket)
        if known is None:
            if len(bucket) > self.MOST and self.arithmetic.dtype is not object:
                raise Overflow
            self._check_room(bucket)
            total = self._sum([self._spread(factor, axes, bucket) for factor, axes in bucket])
            least: Table = np.asarray(total.min(axis=0), dtype=self.arithmetic.dtype)
            outcome = self.number(least)
            if outcome is None:
                known = Eliminated(0, -1, None, None)
            else:
                choice = np.asarray(total.argmin(axis=0))
                tied = np.asarray((total == least).sum(axis=0) > 1)
                known = Eliminated(*outcome, choice, tied)
                self._bytes += choice.nbytes + tied.nbytes
            self._eliminated[bucket] = known
        return known

    def project(self, bucket: Key, kept: tuple[int, ...]) -> int | None:
        """The least of the bucket's sum for all values at the places ``kept``, as a factor over these; what they all
        have in common is taken off. None: nothing is possible.

        Raises:
            MemoryReached, Overflow: as :meth:`eliminate`.
        """
        key = bucket, kept
        if key not in self._projected:
            if len(bucket) > self.MOST and self.arithmetic.dtype is not object:
                raise Overflow
            self._check_room(bucket)
            total = self._sum([self._spread(factor, axes, bucket) for factor, axes in bucket])
            gone = tuple(axis for axis in range(total.ndim) if axis not in kept)
            left: Table = np.asarray(total.min(axis=gone), dtype=self.arithmetic.dtype)
            rising = sorted(kept)
            outcome = self.number(left.transpose([rising.index(place) for place in kept]))
            self._projected[key] = None if outcome is None else outcome[1]
        return self._projected[key]

    def _check_room(self, bucket: Key) -> None:
        """Before the table of a bucket is built: it, and two more of its size while it is summed."""
        if self._megabytes is None:
            return
        lengths: dict[int, int] = {}
        for factor, axes in bucket:
            lengths.update(zip(axes, self.tables[factor].shape, strict=True))
        if self._bytes + 3 * 8 * math.prod(lengths.values()) > self._megabytes << 20:
            raise MemoryReached(f"megabytes={self._megabytes}")

    def _spread(self, factor: int, axes: tuple[int, ...], bucket: Key) -> Table:
        """The factor with its axes in the bucket's order, and axes of length 1 for the places it lacks."""
        places = 1 + max(place for _, others in bucket for place in others)
        table = self.tables[factor]
        shape = [1] * places
        for axis, place in enumerate(axes):
            shape[place] = table.shape[axis]
        order = sorted(range(len(axes)), key=axes.__getitem__)
        return table.transpose(order).reshape(shape)
