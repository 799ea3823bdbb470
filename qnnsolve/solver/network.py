"""The variables (sites joined by ``Same``) and the links between them, for some of a model's constraints."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from qnnsolve.constraints import Allow, Convertible, Derived, Forbid, Prefer, Same, Table
from qnnsolve.solver.joint import Joint
from qnnsolve.solver.model import Model
from qnnsolve.solver.union_find import UnionFind

__all__ = ["Network"]


class Network:
    """Variables, their initial bitmasks, and links; variables are numbered by their first site.

    ``links[k]`` stems from constraint ``origin[k]`` and ties the variables ``scopes[k]`` by ``joints[k]``.
    ``costs[v]`` are the preferences as (encoding index -> internal cost).
    """

    def __init__(self, model: Model, constraints: Sequence[int], sites: Iterable[int] | None = None) -> None:
        """From the constraints of these indices (ascending), over ``sites`` (default: those that they name)."""
        self.model = model
        self.constraints = constraints
        where = model.where
        if sites is None:
            sites = sorted({site for c in constraints for site in where[c]})
        self._join(constraints, sites)
        self.origin: list[int] = []
        self.scopes: list[tuple[int, ...]] = []
        self.joints: list[Joint] = []
        self.costs: dict[int, dict[int, int]] = {}
        self.unary: dict[int, list[int]] = {}
        self._connect(constraints)

    def _join(self, constraints: Sequence[int], sites: Iterable[int]) -> None:
        sites = tuple(dict.fromkeys(sites))
        shared = UnionFind(sites)
        model = self.model
        self.same: list[int] = []
        for c in constraints:
            if type(model.constraints[c]) is Same:
                self.same.append(c)
                ends = model.where[c]
                for other in ends[1:]:
                    shared.join(ends[0], other)
        self.variable: dict[int, int] = {}
        self.initial: list[int] = []
        for site in sites:
            top = shared.root(site)
            if top == site:
                self.variable[site] = len(self.initial)
                self.initial.append(model.domains[site])
            else:
                v = self.variable[site] = self.variable[top]
                self.initial[v] &= model.domains[site]

    def _connect(self, constraints: Sequence[int]) -> None:
        model, variable = self.model, self.variable
        for c in constraints:
            constraint = model.constraints[c]
            if isinstance(constraint, Convertible | Table | Derived):
                scope = tuple([variable[site] for site in model.where[c]])
                distinct = tuple(dict.fromkeys(scope)) if len(set(scope)) < len(scope) else scope
                if isinstance(constraint, Convertible) and len(distinct) == 1:
                    continue
                pattern = tuple(range(len(scope))) if distinct is scope else tuple(map(distinct.index, scope))
                self._add_link(c, distinct, model.joint(constraint, pattern))
            elif isinstance(constraint, Allow | Forbid):
                v = variable[model.where[c][0]]
                mask = model.unary_mask(constraint)
                self.initial[v] &= mask if isinstance(constraint, Allow) else ~mask
                self.unary.setdefault(model.where[c][0], []).append(c)
            elif isinstance(constraint, Prefer):
                self._add_costs(variable[model.where[c][0]], constraint)

    def _add_link(self, origin: int, scope: tuple[int, ...], joint: Joint) -> None:
        self.origin.append(origin)
        self.scopes.append(scope)
        self.joints.append(joint)

    def _add_costs(self, v: int, preference: Prefer) -> None:
        costs = self.costs.setdefault(v, {})
        for encoding, cost in preference.costs:
            value = self.model.encoding_index.get(encoding)
            if value is not None and cost:
                costs[value] = costs.get(value, 0) + cost * self.model.unit

    @cached_property
    def watch(self) -> list[tuple[int, ...]]:
        """The links at each variable, ascending. Tuples of integers: the collector passes over them."""
        ends = np.fromiter(itertools.chain.from_iterable(self.scopes), np.int64)
        widths = np.fromiter(map(len, self.scopes), np.int64, len(self.scopes))
        links = np.repeat(np.arange(len(self.scopes)), widths)[np.argsort(ends, kind="stable")].tolist()
        starts = [0, *np.cumsum(np.bincount(ends, minlength=len(self.initial))).tolist()]
        return [tuple(links[low:high]) for low, high in itertools.pairwise(starts)]

    @cached_property
    def members(self) -> list[list[int]]:
        """The sites of each variable, ascending."""
        found: list[list[int]] = [[] for _ in self.initial]
        for site, v in self.variable.items():
            found[v].append(site)
        return found

    def components(self) -> int:
        """The number of parts that no link connects."""
        watch = self.watch
        seen = bytearray(len(self.initial))
        count = 0
        for start in range(len(self.initial)):
            if seen[start]:
                continue
            count += 1
            seen[start] = 1
            stack = [start]
            while stack:
                for link in watch[stack.pop()]:
                    for v in self.scopes[link]:
                        if not seen[v]:
                            seen[v] = 1
                            stack.append(v)
        return count
