"""The problem as variables with a choice that matters, and factors over them: rows that may stand, with their amounts.

A term goes onto the rows of a relation over its sites where there is one, onto the values of its site where only one
has a choice, and else becomes a factor of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.encodings import Encoding
from qnnsolve.solver.budgets.measures import Measure, Term
from qnnsolve.solver.joint import Joint, bits_of
from qnnsolve.solver.network import Network
from qnnsolve.solver.union_find import UnionFind

__all__ = ["Core", "Factor", "compiled"]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Scope = tuple[int, ...]


@attrs.frozen(eq=False)
class Factor:
    """The rows that may stand together over ``scope``, as places in the domains, and what each amounts to.

    ``amounts`` has one column per measure.
    """

    scope: Scope
    rows: Places
    amounts: Floats


@attrs.frozen(eq=False)
class Core:
    """Variables 0.. and what they amount to, one column per measure everywhere.

    ``variables`` are their numbers in the network. ``singles`` has the amounts of each variable's values; ``base`` is
    what is certain. ``matters`` says at which variables some amount depends on the value.
    """

    variables: tuple[int, ...]
    sizes: tuple[int, ...]
    singles: tuple[Floats, ...]
    factors: tuple[Factor, ...]
    base: Floats
    matters: tuple[bool, ...]


def compiled(network: Network, masks: Sequence[int], measures: Sequence[Measure]) -> Core:
    """The core over ``masks`` (a fixpoint of propagation without an empty one).

    Raises:
        ValueError: a measure names a site that the problem does not have.
    """
    return _Compiler(network, masks, measures).core()


class _Compiler:
    def __init__(self, network: Network, masks: Sequence[int], measures: Sequence[Measure]) -> None:
        self._network, self._masks, self._count = network, masks, len(measures)
        self._places: dict[int, dict[Encoding, int]] = {}
        self._scopes = [tuple([v for v in scope if masks[v] & (masks[v] - 1)]) for scope in network.scopes]
        self._base = [0.0] * len(measures)
        self._tables: dict[Scope, Floats] = {}
        self._matters: set[int] = set()
        for column, measure in enumerate(measures):
            for term in measure.terms:
                self._add(term, column, measure.name)
        self._homes: dict[int, list[Scope]] = {}
        for scope in self._tables:
            if len(scope) > 1 and (home := self._home(scope)) is not None:
                self._homes.setdefault(home, []).append(scope)

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
        places = [self._place(v) for v in ends]
        scope = tuple(sorted({v for v in ends if masks[v] & (masks[v] - 1)}))
        table = np.zeros([masks[v].bit_count() for v in scope])
        for row, amount in term.amounts.items():
            at: dict[int, int] = {}
            for v, place, encoding in zip(ends, places, row, strict=True):
                value = place.get(encoding, -1)
                if value < 0 or at.setdefault(v, value) != value:
                    break
            else:
                table[tuple([at[v] for v in scope])] += amount
        self._put(scope, table, column)

    def _put(self, scope: Scope, table: Floats, column: int) -> None:
        """Add a table, without the axes along which it is constant."""
        idle = [axis for axis in range(table.ndim) if (table == table.take([0], axis)).all()]
        if idle:
            index = tuple(0 if axis in idle else slice(None) for axis in range(table.ndim))
            scope, table = tuple([v for axis, v in enumerate(scope) if axis not in idle]), np.asarray(table[index])
        if not scope:
            self._base[column] += float(table)
            return
        self._matters.update(scope)
        if scope not in self._tables:
            self._tables[scope] = np.zeros((*table.shape, self._count))
        self._tables[scope][..., column] += table

    def _home(self, scope: Scope) -> int | None:
        """The first link over all of these variables."""
        watch = self._network.watch
        links = set(watch[scope[0]]).intersection(*(watch[v] for v in scope[1:]))
        return min(links, default=None)

    def core(self) -> Core:
        kept = self._connected()
        at = {v: place for place, v in enumerate(kept)}
        factors = []
        rows_of: dict[tuple[Joint, tuple[int, ...]], Places] = {}
        for link, scope in enumerate(self._scopes):
            if len(scope) < 2 or scope[0] not in at:
                continue
            joint, full = self._network.joints[link], self._network.scopes[link]
            key = (joint, tuple([self._masks[v] for v in full]))
            if key not in rows_of:
                axes = [axis for axis, v in enumerate(full) if self._masks[v] & (self._masks[v] - 1)]
                rows_of[key] = np.array(joint.left(key[1], axes)[0], np.int64)
            rows, homes = rows_of[key], self._homes.get(link, ())
            if not homes and len(rows) == math.prod(self._masks[v].bit_count() for v in scope):
                continue  # everything may stand, for nothing
            amounts = np.zeros((len(rows), self._count))
            for home in homes:
                amounts += self._tables[home][tuple(rows[:, scope.index(v)] for v in home)]
            factors.append(Factor(tuple([at[v] for v in scope]), rows, amounts))
        housed = set(itertools.chain.from_iterable(self._homes.values()))
        for scope, table in sorted(self._tables.items()):
            if len(scope) > 1 and scope not in housed:
                rows = np.array(list(np.ndindex(*table.shape[:-1])), np.int64)
                factors.append(Factor(tuple([at[v] for v in scope]), rows, table.reshape(len(rows), -1)))
        sizes = tuple([self._masks[v].bit_count() for v in kept])
        singles = tuple(
            [self._tables.get((v,), np.zeros((size, self._count))) for v, size in zip(kept, sizes, strict=True)]
        )
        matters = tuple([v in self._matters for v in kept])
        return Core(tuple(kept), sizes, singles, tuple(factors), np.array(self._base), matters)

    def _connected(self) -> list[int]:
        """The variables that some chain of factors ties to an amount."""
        joined = UnionFind(range(len(self._masks)))
        scopes: Iterable[Scope] = itertools.chain(self._scopes, self._tables)
        for scope in scopes:
            for v in scope[1:]:
                joined.join(scope[0], v)
        tops = {joined.root(v) for v in self._matters}
        return [v for v, mask in enumerate(self._masks) if mask & (mask - 1) and joined.root(v) in tops]
