"""The terms of measures as tables over the variables that have a choice, each with one amount per measure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qnnsolve.encodings import Encoding
from qnnsolve.solver.budgets.measures import Measure, Term
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.network import Network

__all__ = ["Tables"]

Floats = NDArray[np.float64]
Scope = tuple[int, ...]
Row = tuple[int, ...]

_CELLS = 4096
"""A table of more cells is kept by its rows that amount to something."""


class Tables:
    """What the measures come to: ``base`` for certain, and tables over ascending variables of the network.

    ``dense`` has the amounts for each place of each variable; ``sparse``, where that were too many, for each row that
    amounts to something. ``matters`` are the variables on whose value some amount depends.

    Raises:
        ValueError: a measure names a site that the problem does not have.
    """

    def __init__(self, network: Network, masks: Sequence[int], measures: Sequence[Measure]) -> None:
        self._network, self._masks, self._count = network, masks, len(measures)
        self._places: dict[int, dict[Encoding, int]] = {}
        self.base: Floats = np.zeros(len(measures))
        self.dense: dict[Scope, Floats] = {}
        self.sparse: dict[Scope, dict[Row, Floats]] = {}
        self.matters: set[int] = set()
        for column, measure in enumerate(measures):
            for term in measure.terms:
                self._add(term, column, measure.name)

    def _place(self, v: int) -> dict[Encoding, int]:
        """The place of each encoding that is left of variable ``v``."""
        mask = self._masks[v]
        if mask not in self._places:
            encodings = self._network.model.encodings
            self._places[mask] = {encodings[value]: place for place, value in enumerate(bits_of(mask))}
        return self._places[mask]

    def _add(self, term: Term, column: int, name: str) -> None:
        model, masks = self._network.model, self._masks
        for site in term.sites:
            if site not in model.site_index:
                raise ValueError(f"measure {name} names {site}, which is no site of the problem")
        ends = [self._network.variable[model.site_index[site]] for site in term.sites]
        scope = tuple(sorted({v for v in ends if masks[v] & (masks[v] - 1)}))
        sizes = [masks[v].bit_count() for v in scope]
        if math.prod(sizes) > _CELLS:
            self._keep_rows(term, ends, scope, column)
            return
        table = np.zeros(sizes)
        for row, amount in self._rows(term, ends, scope):
            table[row] += amount
        self._keep(scope, table, column)

    def _rows(self, term: Term, ends: Sequence[int], scope: Scope) -> list[tuple[Row, float]]:
        """The rows that are still possible, as places of the scope."""
        places = [self._place(v) for v in ends]
        found = []
        for row, amount in term.amounts.items():
            at: dict[int, int] = {}
            for v, place, encoding in zip(ends, places, row, strict=True):
                value = place.get(encoding, -1)
                if value < 0 or at.setdefault(v, value) != value:
                    break
            else:
                found.append((tuple([at[v] for v in scope]), amount))
        return found

    def _keep(self, scope: Scope, table: Floats, column: int) -> None:
        """Without the axes along which it is constant."""
        idle = [axis for axis in range(table.ndim) if (table == table.take([0], axis)).all()]
        if idle:
            index = tuple(0 if axis in idle else slice(None) for axis in range(table.ndim))
            scope, table = tuple([v for axis, v in enumerate(scope) if axis not in idle]), np.asarray(table[index])
        if not scope:
            self.base[column] += float(table)
            return
        self.matters.update(scope)
        if scope not in self.dense:
            self.dense[scope] = np.zeros((*table.shape, self._count))
        self.dense[scope][..., column] += table

    def _keep_rows(self, term: Term, ends: Sequence[int], scope: Scope, column: int) -> None:
        rows = self._rows(term, ends, scope)
        if rows:
            self.matters.update(scope)
        known = self.sparse.setdefault(scope, {})
        for row, amount in rows:
            known.setdefault(row, np.zeros(self._count))[column] += amount
