"""The factors over what propagation left, and the independent parts that they form.

Only variables with a choice count. A relation of few rows over many of them is a *star*: one more variable, which row,
and a factor between it and each column. As one dense table it would have an entry for every combination of values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np

from qnnsolve.solver.joint import Joint, Row, bits_of
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.elimination import Instance
from qnnsolve.solver.optimum.factors import Factors
from qnnsolve.solver.union_find import UnionFind

__all__ = ["Compiled", "Compiler", "Part", "Parts", "rows_are_few"]

_DENSE_CELLS = 4096
"""A table of up to so many entries is built as it is."""


@attrs.frozen
class Part:
    """Variables that factors connect, ascending, and these factors."""

    variables: list[int]
    instances: list[Instance]


@attrs.frozen
class Compiled:
    """What a relation comes to over some masks: a certain cost, and factors over axes.

    Where it is a star, ``rows`` has the place of each column's value, and the axis past the last one is the row.
    """

    base: int
    factors: tuple[tuple[int, tuple[int, ...]], ...]
    rows: tuple[Row, ...] = ()


class Compiler:
    """What relations and preferences come to over masks, each kept once. With ``free`` nothing costs anything."""

    def __init__(self, factors: Factors, *, free: bool) -> None:
        self._factors, self._free = factors, free
        self._links: dict[tuple[Joint, tuple[int, ...]], Compiled | None] = {}
        self._preferences: dict[tuple[int, int], tuple[int, int]] = {}

    def link(self, joint: Joint, masks: tuple[int, ...]) -> Compiled | None:
        """A relation; None where it has no row that ``masks`` leave."""
        key = joint, masks
        if key not in self._links:
            self._links[key] = self._compile(joint, masks)
        return self._links[key]

    def preference(self, costs: Mapping[int, int], mask: int) -> tuple[int, int]:
        """Costs by value: what is certain, and a factor (-1: none). ``costs`` outlive this."""
        key = id(costs), mask
        if key not in self._preferences:
            prices = [costs.get(value, 0) for value in bits_of(mask)]
            self._preferences[key] = self._number(np.array(prices, dtype=object))
        return self._preferences[key]

    def only(self, allowed: int, mask: int) -> tuple[int, int] | None:
        """That a value is one of ``allowed``, as :meth:`preference`; None where ``mask`` has none of these."""
        forbidden = self._factors.arithmetic.forbidden
        return self._factors.number(
            np.array([0 if allowed >> value & 1 else forbidden for value in bits_of(mask)], dtype=object)
        )

    def _compile(self, joint: Joint, masks: tuple[int, ...]) -> Compiled | None:
        axes = tuple(axis for axis, mask in enumerate(masks) if mask & (mask - 1))
        sizes = [masks[axis].bit_count() for axis in axes]
        rows, prices = joint.left(masks, axes)
        if not rows:
            return None
        cost = np.array([0] * len(rows) if self._free else prices, dtype=object)
        if not rows_are_few(len(rows), sizes):
            table = np.full(sizes, self._factors.arithmetic.forbidden, dtype=object)
            if axes:
                table[tuple(np.array(rows).T)] = cost
            else:
                table[()] = cost[0]
            base, factor = self._number(table)
            return Compiled(base, () if factor < 0 else ((factor, axes),))
        base, factor = self._number(cost)
        found: list[Instance] = [] if factor < 0 else [(factor, (len(masks),))]
        for column, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
            table = np.full((size, len(rows)), self._factors.arithmetic.forbidden, dtype=object)
            table[[row[column] for row in rows], range(len(rows))] = 0
            found.append((self._number(table)[1], (axis, len(masks))))
        return Compiled(base, tuple(found), tuple(rows))

    def _number(self, table: np.typing.NDArray[np.object_]) -> tuple[int, int]:
        outcome = self._factors.number(table)
        assert outcome is not None, "there is a row"
        return outcome


class Parts:
    """One factor per link and preference that still matters; what is certain is in ``base``.

    ``sizes`` has the number of values of every variable: those of the network, and after them one for each star. With
    ``free`` nothing costs anything.
    """

    def __init__(self, network: Network, masks: Sequence[int], factors: Factors, *, free: bool) -> None:
        self.base = 0
        self.sizes = [mask.bit_count() for mask in masks]
        self._masks = masks
        self._instances: list[Instance] = []
        self._stars: dict[int, tuple[tuple[int, ...], tuple[Row, ...]]] = {}
        compiler = Compiler(factors, free=free)
        for scope, joint in zip(network.scopes, network.joints, strict=True):
            compiled = compiler.link(joint, tuple([masks[v] for v in scope]))
            assert compiled is not None, "propagation left a table without a row"
            if compiled.base or compiled.factors:
                self._put(compiled, scope)
        for v, costs in {} if free else network.costs.items():
            base, factor = compiler.preference(costs, masks[v])
            self.base += base
            if factor >= 0:
                self._instances.append((factor, (v,)))

    def _put(self, compiled: Compiled, scope: tuple[int, ...]) -> None:
        self.base += compiled.base
        if compiled.rows:
            scope = (*scope, len(self.sizes))
            self._stars[len(self.sizes)] = scope, compiled.rows
            self.sizes.append(len(compiled.rows))
        for factor, axes in compiled.factors:
            self._instances.append((factor, tuple([scope[axis] for axis in axes])))

    def __iter__(self) -> Iterator[Part]:
        """The parts, small ones first, then by their first variable."""
        joined = UnionFind(range(len(self.sizes)))
        for _, scope in self._instances:
            for v in scope[1:]:
                joined.join(scope[0], v)
        tops = joined.roots()
        parts: dict[int, Part] = {}
        for instance in self._instances:
            top = tops[instance[1][0]]
            part = parts.get(top)
            if part is None:
                part = parts[top] = Part([], [])
            part.instances.append(instance)
        for v, top in tops.items():
            if (part := parts.get(top)) is not None:
                part.variables.append(v)
        return iter(sorted(parts.values(), key=lambda part: (len(part.variables), part.variables[0])))

    def of_network(self, part: Part) -> list[int]:
        """The part's variables that are the network's."""
        return [v for v in part.variables if v < len(self._masks)]

    def places(self, part: Part, values: Mapping[int, int]) -> dict[int, int]:
        """The place of each of the part's variables, from encoding indices of those that are the network's."""
        places = {v: bits_of(self._masks[v]).index(value) for v, value in values.items()}
        for star in part.variables[len(values) :]:
            scope, rows = self._stars[star]
            open_columns = [v for v in scope[:-1] if self.sizes[v] > 1]
            places[star] = rows.index(tuple([places[v] for v in open_columns]))
        return places


def rows_are_few(rows: int, sizes: Sequence[int]) -> bool:
    """Whether a star takes less than one table over columns of these sizes, which is large."""
    return math.prod(sizes) > max(_DENSE_CELLS, rows * sum(sizes))
