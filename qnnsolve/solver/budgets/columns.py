"""Every value of a variable and every row of a factor of a core, as one list of columns with their amounts."""

from __future__ import annotations

import itertools
import math
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.compiled import Core

__all__ = ["Columns", "strides"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def strides(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart in a flat table neighbours along each axis are; the last axis is the densest."""
    return tuple([math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))])


@attrs.frozen(eq=False)
class _Alike:
    """Factors with the same rows: their numbers and scopes, and per cell the row, -1 where there is none."""

    factors: Places
    scopes: Places
    steps: Places
    cells: Places


class Columns:
    """First the values of all variables (those of ``v`` from ``starts[v]`` on), then the rows of all factors.

    ``firsts[k]`` is the first column of factor ``k``; ``amounts`` has one row per column.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.starts = np.array([*itertools.accumulate(core.sizes, initial=0)], np.int64)
        counts = [len(factor.rows) for factor in core.factors]
        self.firsts = np.array([*itertools.accumulate(counts, initial=int(self.starts[-1]))], np.int64)
        blocks = [*core.singles, *(factor.amounts for factor in core.factors)]
        self.amounts: Floats = np.vstack(blocks) if blocks else np.zeros((0, len(core.base)))
        self._cells: dict[tuple[int, tuple[int, ...]], Places] = {}

    def cells(self, factor: int) -> Places:
        """The row of a factor for each cell of the full table over its scope, flat; -1 where none may stand."""
        each = self.core.factors[factor]
        sizes = tuple([self.core.sizes[v] for v in each.scope])
        key = id(each.rows), sizes
        if key not in self._cells:
            found = np.full(math.prod(sizes), -1, np.int64)
            found[each.rows @ np.array(strides(sizes), np.int64)] = np.arange(len(each.rows))
            self._cells[key] = found
        return self._cells[key]

    @cached_property
    def _alike(self) -> tuple[_Alike, ...]:
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for k, factor in enumerate(self.core.factors):
            sizes = tuple([self.core.sizes[v] for v in factor.scope])
            groups.setdefault((id(factor.rows), sizes), []).append(k)
        return tuple(
            [
                _Alike(
                    np.array(group, np.int64),
                    np.array([self.core.factors[k].scope for k in group], np.int64),
                    np.array(strides(sizes), np.int64),
                    self.cells(group[0]),
                )
                for (_, sizes), group in groups.items()
            ]
        )

    def of(self, values: Places) -> Places | None:
        """The columns that these values take: one per variable, then one per factor; None where that is not legal."""
        found = self.firsts[:-1].copy()
        for group in self._alike:
            rows = group.cells[values[group.scopes] @ group.steps]
            if (rows < 0).any():
                return None
            found[group.factors] += rows
        return np.concatenate([self.starts[:-1] + values, found])

    def total(self, values: Places) -> Floats | None:
        """What each measure comes to, with what is certain; None where the values are not legal."""
        at = self.of(values)
        return None if at is None else np.asarray(self.core.base + self.amounts[at].sum(axis=0))
