"""The variables (sites joined by ``Same``) and the links between them, for some of a model's constraints."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from qnnsolve.constraints import Allow, Convertible, Prefer, Same
from qnnsolve.solver.joint import Joint
from qnnsolve.solver.model import Model
from qnnsolve.solver.union_find import UnionFind

__all__ = ["Network"]


class Network:
    """Variables, their initial bitmasks, and links; variables are numbered by their first site.

    ``links[k]`` stems from constraint ``origin[k]`` and ties the variables ``scopes[k]`` by ``joints[k]``.
    ``costs[v]`` are the preferences as (encoding index -> internal cost); variables share what is equal.
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
            if model.kinds[c].type is Same:
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
        model, variable, costs = self.model, self.variable, self.costs
        origin, scopes, joints = self.origin, self.scopes, self.joints
        plain: dict[int, Joint] = {}
        added: dict[tuple[int, int], dict[int, int]] = {}
        for c in constraints:
            kind, where = model.kinds[c], model.where[c]
            if kind.content is not None:
                scope = tuple([variable[site] for site in where])
                if len(set(scope)) == len(scope):
                    joint = plain.get(id(kind))
                    if joint is None:
                        joint = plain[id(kind)] = model.joint(kind.content, tuple(range(len(scope))))
                else:
                    distinct = tuple(dict.fromkeys(scope))
                    if kind.type is Convertible:
                        continue
                    joint = model.joint(kind.content, tuple(map(distinct.index, scope)))
                    scope = distinct
                origin.append(c)
                scopes.append(scope)
                joints.append(joint)
            elif kind.type is Prefer:
                v = variable[where[0]]
                known = costs.get(v)
                if known is None:
                    costs[v] = kind.costs
                else:
                    both = (id(known), id(kind.costs))  # they live as long as the model, or in ``added``
                    if both not in added:
                        added[both] = _sum(known, kind.costs)
                    costs[v] = added[both]
            elif kind.type is not Same:
                v = variable[where[0]]
                self.initial[v] &= kind.mask if kind.type is Allow else ~kind.mask
                self.unary.setdefault(where[0], []).append(c)

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


def _sum(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    return {value: one.get(value, 0) + other.get(value, 0) for value in (*one, *(v for v in other if v not in one))}
