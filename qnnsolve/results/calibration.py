"""What calibration showed that a user should know, as plain frozen records."""

from __future__ import annotations

import attrs

__all__ = ["CalibrationRecord", "InfiniteValues", "JoinRecord", "JoinedPart", "Outlier"]


@attrs.frozen
class JoinedPart:
    """One part of a join: its values, and how well they are kept.

    ``low`` and ``high`` are the extremes over calibration. The others are SQNRs in decibel: as the part is joined,
    alone in as many bits, and joined in 16 bits (None where it is so already).
    """

    producer: str
    low: float
    high: float
    sqnr_db: float
    alone_db: float
    wide_db: float | None


@attrs.frozen
class JoinRecord:
    """An op that joins parts under one encoding (of ``bits`` bits, ``step`` real units apart) that does not fit them
    all.

    ``outputs`` are the model's outputs that the op yields.
    """

    node: str
    target: str
    bits: int
    step: float
    outputs: tuple[int, ...]
    parts: tuple[JoinedPart, ...]


@attrs.frozen
class Outlier:
    """A calibration sample (from 0 on) with a ``value`` in magnitude over a thousand times the largest elsewhere."""

    input: str
    sample: int
    value: float
    others: float


@attrs.frozen
class InfiniteValues:
    """How many values at a node were infinite in calibration; they took no part in its range."""

    node: str
    count: int


@attrs.frozen
class CalibrationRecord:
    """What calibration showed that a user should know."""

    joined: tuple[JoinRecord, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    infinite: tuple[InfiniteValues, ...] = ()
