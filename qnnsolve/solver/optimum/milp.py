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
    """Minimise ``costs @ x`` where ``matrix @ x == right``; the first ``starts[-1]`` columns are binaries."""

    starts: tuple[int, ...]
    costs: NDArray[np.float64]
    divisor: int
    matrix: Any
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
        return cls(tuple(starts), scaled, divisor, matrix, np.array(right), ones, zeros)

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
                constraints=LinearConstraint(self.matrix, self.right, self.right),
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
