"""Factors as a mixed-integer program for HiGHS (``scipy.optimize.milp``): one binary per value, one share per row."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.solver.clock import Clock
from qnnsolve.solver.muted import muted
from qnnsolve.solver.optimum.dense import Dense

__all__ = ["HighsFound", "Infeasible", "Milp"]

_TOLERANCE = 1e-6
"""HiGHS's feasibility and integrality tolerance; a bound is trusted up to this share of what it sums."""
_FAR = 1000
"""Entries that are so many times as large as the next smaller ones are counted apart from them."""


@attrs.frozen
class Infeasible:
    """HiGHS proved that no values are possible."""


@attrs.frozen
class HighsFound:
    """What HiGHS found (``None``: nothing), a safe lower bound, whether it ended by itself, nodes explored."""

    values: dict[int, int] | None
    bound: int
    finished: bool
    nodes: int


@attrs.frozen(eq=False)
class Milp:
    """Minimise ``costs @ x`` where ``left <= matrix @ x <= right``; the first ``starts[-1]`` columns are binaries."""

    starts: tuple[int, ...]
    costs: NDArray[np.float64]
    divisor: int
    matrix: Any
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @classmethod
    def of(cls, dense: Dense) -> Milp:
        """The program of these factors: values sum to one; rows of a factor sum to each value they hold."""
        from scipy.sparse import csr_array

        starts = [0]
        for size in dense.sizes:
            starts.append(starts[-1] + size)
        costs = [0] * starts[-1]
        entries: list[tuple[int, int, float]] = []
        right: list[float] = []
        for v, size in enumerate(dense.sizes):
            entries += [(len(right), starts[v] + value, 1.0) for value in range(size)]
            right.append(1.0)
        for table, scope in dense.factors:
            rows = [tuple(map(int, row)) for row in np.argwhere(table < dense.forbidden)]
            first = len(costs)
            costs += [int(table[row]) for row in rows]
            for axis, v in enumerate(scope):
                base = len(right)
                entries += [(base + row[axis], first + k, 1.0) for k, row in enumerate(rows)]
                entries += [(base + value, starts[v] + value, -1.0) for value in range(dense.sizes[v])]
                right += [0.0] * dense.sizes[v]
        divisor = math.gcd(*costs) or 1
        at, column, weight = (np.array(part) for part in zip(*entries, strict=True))
        matrix = csr_array((weight, (at, column)), shape=(len(right), len(costs)))
        scaled = np.array([cost // divisor for cost in costs], dtype=np.float64)
        ones, zeros = np.ones(len(costs)), np.zeros(len(costs))
        return cls(tuple(starts), scaled, divisor, matrix, np.array(right), np.array(right), ones, zeros)

    def counting(self, unit: int) -> Milp:
        """The same program for the least number of whole ``unit`` in the entries taken."""
        return attrs.evolve(self, costs=self._entries() // unit, divisor=1, lower=self.lower.copy())

    def beside(self, unit: int, most: int) -> Milp:
        """The same program for the least of what is beside whole ``unit``, of which ``most`` may be taken."""
        from scipy.sparse import csr_array, vstack

        entries = self._entries()
        return attrs.evolve(
            self,
            costs=entries % unit,
            divisor=1,
            matrix=vstack([self.matrix, csr_array((entries // unit)[None, :])], format="csr"),
            left=np.append(self.left, -np.inf),
            right=np.append(self.right, most),
            lower=self.lower.copy(),
        )

    def unit(self) -> int | None:
        """A power of two between entries that are small and those that are far larger, such as the price of a node
        on the CPU; None where there is no such gap, or where floats do not hold the entries."""
        entries = np.unique(self._entries())
        entries = entries[entries > 0]
        if len(entries) < 2 or entries[-1] >= 2**53:
            return None
        ratios = entries[1:] / entries[:-1]
        widest = int(np.argmax(ratios))
        return 1 << int(entries[widest + 1]).bit_length() - 1 if ratios[widest] >= _FAR else None

    def _entries(self) -> NDArray[np.float64]:
        return self.costs * self.divisor

    def fix(self, v: int, value: int) -> None:
        """From now on variable ``v`` has this value."""
        self.lower[self.starts[v] + value] = 1.0

    def solve(self, clock: Clock, below: tuple[int, int] | None = None) -> HighsFound | Infeasible:
        """Run HiGHS until the time is over; ``below=(v, value)`` asks for a smaller value at ``v`` in this run."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # a second to import, and seldom needed

        upper = self.upper.copy()
        if below is not None:
            v, value = below
            upper[self.starts[v] + value : self.starts[v + 1]] = 0.0
        integral = np.zeros(len(self.costs))
        integral[: self.starts[-1]] = 1
        options: dict[str, float] = {"mip_rel_gap": 0.0}
        if (seconds := clock.remaining) is not None:  # what the import took is gone from it
            options["time_limit"] = seconds
        with muted():
            result = milp(
                self.costs,
                integrality=integral,
                bounds=Bounds(self.lower, upper),
                constraints=LinearConstraint(self.matrix, self.left, self.right),
                options=options,
            )
        if result.status == 2:
            return Infeasible()
        nodes = int(result.mip_node_count or 0) if result.get("mip_node_count") is not None else 0
        values = None
        if result.x is not None:
            spans = zip(self.starts, self.starts[1:], strict=False)
            values = {v: int(np.argmax(result.x[low:high])) for v, (low, high) in enumerate(spans)}
        return HighsFound(values, self._safe(result.get("mip_dual_bound")), result.status == 0, nodes)

    def _safe(self, bound: float | None) -> int:
        """An integer that the optimum certainly reaches, in undivided costs."""
        if bound is None or not math.isfinite(bound):
            return 0
        slack = _TOLERANCE * (1.0 + abs(bound) + float(self.costs.max(initial=0.0)))
        return max(0, math.ceil(bound - slack)) * self.divisor
