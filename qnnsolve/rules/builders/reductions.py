"""Ops that draw an axis together: sums, means, extremes, sorting."""

from __future__ import annotations

from qnnsolve.rules.builders.types import op, table

__all__ = ["TABLE"]

TABLE = table((op("ReduceMean", 0), ("mean.dim",)))
