"""A component that is too wide for elimination: dense tables over a few values per variable."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from qnnsolve.solver.optimum.factors import Table

__all__ = ["Dense", "Values"]

Values = dict[int, int]
"""By variable, the place of its value in its domain."""


@attrs.frozen(eq=False)
class Dense:
    """Factors over variables 0.. of ``sizes`` values each; an entry of ``forbidden`` or more cannot be."""

    sizes: tuple[int, ...]
    factors: tuple[tuple[Table, tuple[int, ...]], ...]
    forbidden: int

    def cost(self, values: Mapping[int, int]) -> int | None:
        """The exact sum, or ``None`` where something forbidden is taken."""
        total = 0
        for table, scope in self.factors:
            entry = int(table[tuple([values[v] for v in scope])])
            if entry >= self.forbidden:
                return None
            total += entry
        return total

    def capped(self, most: int) -> Dense:
        """The same without the entries above ``most``: none of them can be in a solution of that cost."""
        factors = tuple((np.where(t > most, self.forbidden, t).astype(t.dtype), scope) for t, scope in self.factors)
        return Dense(self.sizes, factors, self.forbidden)
