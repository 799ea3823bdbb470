"""A query without what is certain: it goes over the remaining columns of its core, as a query of its own."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.columns import Columns
from qnnsolve.solver.budgets.compiled import Core, Factor
from qnnsolve.solver.budgets.query import Query

__all__ = ["Narrowed"]

Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


@attrs.frozen(eq=False)
class Narrowed:
    """The query over those variables of the core that have a choice left, and the way back."""

    query: Query
    _some: Places
    _open: Places
    _kept: tuple[Places, ...]

    @classmethod
    def of(cls, query: Query, keep: Flags, some: Places) -> Narrowed:
        """With the columns of ``keep`` only, among which are those that the legal values ``some`` take."""
        core, columns = query.core, query.columns
        starts = columns.starts
        counts = np.add.reduceat(keep[: starts[-1]], starts[:-1])
        choice = counts > 1
        opened = np.flatnonzero(choice)
        kept = [np.flatnonzero(keep[starts[v] : starts[v + 1]]) for v in opened]
        at = {v: index for index, v in enumerate(opened.tolist())}
        places = {v: _places(core.sizes[v], kept[at[v]]) for v in at}
        taken = columns.of(some)
        assert taken is not None, "the values are legal"
        certain = np.concatenate([~choice, np.zeros(len(core.factors), np.bool_)])
        factors = []
        for k, factor in enumerate(core.factors):
            axes = [axis for axis, v in enumerate(factor.scope) if v in at]
            if not axes:
                certain[len(core.sizes) + k] = True
                continue
            rows = np.flatnonzero(keep[columns.firsts[k] : columns.firsts[k + 1]])
            scope = [factor.scope[axis] for axis in axes]
            narrow = np.stack([places[v][factor.rows[rows, axis]] for axis, v in zip(axes, scope, strict=True)], axis=1)
            rows, narrow = rows[(narrow >= 0).all(axis=1)], narrow[(narrow >= 0).all(axis=1)]
            factors.append(Factor(tuple([at[v] for v in scope]), narrow, factor.amounts[rows]))
        narrowed = Core(
            variables=tuple([core.variables[v] for v in at]),
            sizes=tuple(counts[opened].tolist()),
            singles=tuple([core.singles[v][places_] for v, places_ in zip(at, kept, strict=True)]),
            factors=tuple(factors),
            base=core.base + columns.amounts[taken[certain]].sum(axis=0),
            matters=tuple([core.matters[v] for v in at]),
        )
        fixed = np.flatnonzero(~choice & np.array(core.matters, np.bool_))
        others = [other for other in query.taken if (other[fixed] == some[fixed]).all()]
        mapped = tuple([np.array([places[v][other[v]] if other[v] >= 0 else -1 for v in at]) for other in others])
        return cls(attrs.evolve(query, columns=Columns(narrowed), taken=mapped), some, opened, tuple(kept))

    def full(self, values: Places) -> Places:
        """The values of the whole core."""
        found = self._some.copy()
        found[self._open] = [kept[place] for kept, place in zip(self._kept, values, strict=True)]
        return found

    def narrow(self, values: Places) -> Places | None:
        """The values of what has a choice left; None where something of these is gone."""
        found = [np.flatnonzero(kept == values[v]) for v, kept in zip(self._open, self._kept, strict=True)]
        closed = np.setdiff1d(np.arange(len(values)), self._open)
        if not all(len(each) for each in found) or (values[closed] != self._some[closed]).any():
            return None
        inside = np.array([each[0] for each in found], np.int64)
        return None if self.query.objective(inside) is None else inside


def _places(size: int, kept: Places) -> Places:
    """The new place of each value; -1 for those that are gone."""
    found = np.full(size, -1, np.int64)
    found[kept] = np.arange(len(kept))
    return found
