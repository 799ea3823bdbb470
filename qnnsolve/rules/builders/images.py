"""Pooling, resizing and the other ops on images."""

from __future__ import annotations

from qnnsolve.rules.builders.types import op, table

__all__ = ["TABLE"]

TABLE = table(
    (op("PoolMax2d", 0), ("max_pool2d.default",)),
    (op("PoolAvg2d", 0), ("adaptive_avg_pool2d.default", "avg_pool2d.default")),
)
