"""Which members of a conflict are needed, without a solve for each: by model rotation (Belov and Marques-Silva, 2011).

A config that breaks one constraint of an impossible set, and no other, proves that the set needs this constraint.
Changing one site of it may break another constraint alone: then the set needs that one too. Along a chain one such
config proves every link. Sites that one constraint alone names take whatever value suits it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qnnsolve.constraints import Allow, Convertible, Derived, Forbid, Same, Table
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.model import Model

__all__ = ["rotate"]

_Change = tuple[int, int]
"""(site, encoding index)"""


def rotate(model: Model, core: Iterable[int], values: Mapping[int, int], clock: Clock) -> set[int]:
    """Constraints that the impossible ``core`` needs, by ``values`` (encoding index per site) that break one of it.

    Sites without a value get their lowest candidate. The answer is empty where ``values`` break several.

    Raises:
        LimitReached: the time is over.
    """
    return _Rotation(model, core, values, clock).needed()


class _Rotation:
    def __init__(self, model: Model, core: Iterable[int], values: Mapping[int, int], clock: Clock) -> None:
        self._model, self._core, self._clock = model, tuple(core), clock
        self._touching: dict[int, list[int]] = {}
        for c in self._core:
            for site in dict.fromkeys(model.where[c]):
                self._touching.setdefault(site, []).append(c)
        self._shared = {c: self._shared_columns(c) for c in self._core}
        lowest = {site: bits_of(model.domains[site])[0] for site in self._touching}
        self._values = {site: values.get(site, low) for site, low in lowest.items()}
        self._rows: dict[tuple[int, tuple[int, ...], tuple[int, ...]], frozenset[tuple[int, ...]]] = {}

    def _shared_columns(self, c: int) -> tuple[int, ...]:
        """Those of a table whose sites other constraints name too."""
        return tuple(k for k, site in enumerate(self._model.where[c]) if len(self._touching[site]) > 1)

    def needed(self) -> set[int]:
        broken = [c for c in self._core if not self._holds(c)]
        if len(broken) != 1:
            return set()
        found = {broken[0]}
        path: list[tuple[Iterator[_Change], _Change]] = [(self._changes(broken[0]), (-1, -1))]
        while path:
            self._clock.check()
            changes, (last, before) = path[-1]
            step = next(changes, None)
            if step is None:
                path.pop()
                if last >= 0:
                    self._values[last] = before
                continue
            site, value = step
            kept = self._values[site]
            self._values[site] = value
            broken = [c for c in self._touching[site] if not self._holds(c)]
            if len(broken) == 1 and broken[0] not in found:
                found.add(broken[0])
                path.append((self._changes(broken[0]), (site, kept)))
            else:
                self._values[site] = kept
        return found

    def _changes(self, c: int) -> Iterator[_Change]:
        where = self._model.where[c]
        for site in dict.fromkeys(where[column] for column in self._shared[c]):
            for value in bits_of(self._model.domains[site]):
                if value != self._values[site]:
                    yield site, value

    def _holds(self, c: int) -> bool:
        constraint, where = self._model.constraints[c], self._model.where[c]
        match constraint:
            case Same():
                return len({self._values[site] for site in where}) == 1
            case Allow() | Forbid():
                listed = bool(self._model.unary_mask(constraint) >> self._values[where[0]] & 1)
                return listed is isinstance(constraint, Allow)
            case Table() | Derived() | Convertible():
                row = tuple([self._values[where[column]] for column in self._shared[c]])
                return row in self._projected(constraint, c)
        return True

    def _projected(self, constraint: Table | Derived | Convertible, c: int) -> frozenset[tuple[int, ...]]:
        """The rows over the shared columns that some candidates of the other sites complete."""
        where, shared, domains = self._model.where[c], self._shared[c], self._model.domains
        content = self._model.content(constraint)
        key = (content.rank, tuple(domains[site] for site in where), (*shared, *map(where.index, where)))
        known = self._rows.get(key)
        if known is None:
            known = self._rows[key] = frozenset(
                tuple([row[column] for column in shared])
                for row in content.rows
                if all(domains[site] >> row[k] & 1 and row[k] == row[where.index(site)] for k, site in enumerate(where))
            )
        return known
