"""The problem as variables with a choice that matters, and factors over them: rows that may stand, with their amounts.

A term goes onto the rows of a relation over its sites, where there is one. Where only one of its sites has a choice, it
goes onto the values of that site. Otherwise it becomes a factor of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.budgets.measures import Measure
from qnnsolve.solver.budgets.tables import Tables
from qnnsolve.solver.joint import Joint
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.parts import rows_are_few
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

    ``variables`` are their numbers in the network; -1 stands for one that says which row of a long relation is taken.
    ``singles`` has the amounts of each variable's values; ``base`` is what is certain. ``matters`` says at which
    variables of the network some amount depends on the value.
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
        ValueError: a measure names a site that the problem does not have, or has a term over so many sites that only
            the rows of a constraint over all of these could carry it, and there is none.
    """
    return _Compiler(network, masks, Tables(network, masks, measures)).core()


class _Compiler:
    def __init__(self, network: Network, masks: Sequence[int], tables: Tables) -> None:
        self._network, self._masks, self._tables = network, masks, tables
        self._count = len(tables.base)
        self._scopes = [tuple([v for v in scope if masks[v] & (masks[v] - 1)]) for scope in network.scopes]
        self._homes: dict[int, list[Scope]] = {}
        self._rows: dict[tuple[Joint, tuple[int, ...]], Places] = {}
        for scope in (*tables.dense, *tables.sparse):
            home = self._home(scope)
            if home is not None:
                self._homes.setdefault(home, []).append(scope)
            elif scope in tables.sparse:
                sites = [network.model.sites[network.members[v][0]] for v in scope]
                raise ValueError(f"a term over {len(scope)} sites, {sites[0]} the first, and no constraint over them")
        kept = self._connected()
        self._at = {v: place for place, v in enumerate(kept)}
        self._variables, self._factors = list(kept), list[Factor]()
        self._sizes = [masks[v].bit_count() for v in kept]
        self._singles = [
            tables.dense.get((v,), np.zeros((size, self._count))) for v, size in zip(kept, self._sizes, strict=True)
        ]

    def _home(self, scope: Scope) -> int | None:
        """The first link over all of these variables, where there are several."""
        if len(scope) < 2:
            return None
        watch = self._network.watch
        links = set(watch[scope[0]]).intersection(*(watch[v] for v in scope[1:]))
        return min(links, default=None)

    def _connected(self) -> list[int]:
        """The variables that some chain of factors ties to an amount."""
        joined = UnionFind(range(len(self._masks)))
        scopes: Iterable[Scope] = itertools.chain(self._scopes, self._tables.dense)
        for scope in scopes:
            for v in scope[1:]:
                joined.join(scope[0], v)
        tops = {joined.root(v) for v in self._tables.matters}
        return [v for v, mask in enumerate(self._masks) if mask & (mask - 1) and joined.root(v) in tops]

    def core(self) -> Core:
        for link, scope in enumerate(self._scopes):
            if len(scope) > 1 and scope[0] in self._at:
                self._link(link, scope)
        housed = set(itertools.chain.from_iterable(self._homes.values()))
        for scope, table in sorted(self._tables.dense.items()):
            if len(scope) > 1 and scope not in housed:
                rows = np.array(list(np.ndindex(*table.shape[:-1])), np.int64)
                self._put(scope, rows, table.reshape(len(rows), -1))
        return Core(
            variables=tuple(self._variables),
            sizes=tuple(self._sizes),
            singles=tuple(self._singles),
            factors=tuple(self._factors),
            base=self._tables.base,
            matters=tuple([v in self._tables.matters for v in self._variables]),
        )

    def _link(self, link: int, scope: Scope) -> None:
        joint, full = self._network.joints[link], self._network.scopes[link]
        key = (joint, tuple([self._masks[v] for v in full]))
        if key not in self._rows:
            axes = [axis for axis, v in enumerate(full) if self._masks[v] & (self._masks[v] - 1)]
            self._rows[key] = np.array(joint.left(key[1], axes)[0], np.int64)
        rows, homes = self._rows[key], self._homes.get(link, ())
        if not homes and len(rows) == math.prod(self._masks[v].bit_count() for v in scope):
            return  # everything may stand, for nothing
        amounts = np.zeros((len(rows), self._count))
        for home in homes:
            columns = [scope.index(v) for v in home]
            if home in self._tables.dense:
                amounts += self._tables.dense[home][tuple(rows[:, columns].T)]
            if home in self._tables.sparse:
                sparse, none = self._tables.sparse[home], np.zeros(self._count)
                amounts += [sparse.get(tuple(row), none) for row in rows[:, columns].tolist()]
        self._put(scope, rows, amounts)

    def _put(self, scope: Scope, rows: Places, amounts: Floats) -> None:
        """A factor; of few rows over many variables, a variable for the row and a factor to each of the others."""
        at = tuple([self._at[v] for v in scope])
        if not rows_are_few(len(rows), [self._sizes[v] for v in at]):
            self._factors.append(Factor(at, rows, amounts))
            return
        star, numbers = len(self._sizes), np.arange(len(rows))
        self._variables.append(-1)
        self._sizes.append(len(rows))
        self._singles.append(amounts)
        for column, v in enumerate(at):
            pairs = np.stack([rows[:, column], numbers], axis=1)
            self._factors.append(Factor((v, star), pairs, np.zeros_like(amounts)))
