"""How much time and memory a solve may use, and the defaults."""

from __future__ import annotations

import enum
import math
from typing import Any

import attrs

from qnnsolve.errors import UsageError

__all__ = ["TIME_LIMIT", "Limits", "Method", "limits_of"]

TIME_LIMIT = 120.0
"""Seconds that a solve may take where nothing else is said: a graph of 50,000 ops takes 10, so only a part that is
too wide for elimination comes near it."""


class Method(enum.Enum):
    """How a component's optimum is found. ``AUTO`` eliminates while tables stay small, and leaves the rest to HiGHS."""

    AUTO = "auto"
    ELIMINATION = "elimination"
    MILP = "milp"


def _positive(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not value >= 0:
        raise ValueError(f"{attribute.name} must not be negative, got {value}")


@attrs.frozen
class Limits:
    """How much time and memory a solve may use.

    Args:
        seconds: wall time of propagation and search; ``None`` means as long as it takes. Reading the problem comes
            on top (0.2 s for 10,000 ops), and a tenth more where a legal config has to be found at the end.
        table_entries: the largest table that elimination may build; a wider component goes to HiGHS.
        megabytes: what all tables of elimination together may take (2**20 bytes each); where that is not enough, HiGHS
            gets more of the component. ``None`` means no limit.
        method: forces one method (for tests and comparisons); with ``ELIMINATION`` no component goes to HiGHS.

    Raises:
        ValueError: a negative amount, or one that is no number.
    """

    seconds: float | None = attrs.field(default=None, validator=_positive)
    table_entries: int = attrs.field(default=1 << 20, validator=_positive)
    megabytes: int | None = attrs.field(default=2048, validator=_positive)
    method: Method = Method.AUTO


def limits_of(time_limit: float | None, limits: Limits | None = None) -> Limits:
    """The limits that a user means by ``time_limit`` (seconds, 0 or more; infinity: none), or by ``limits`` as a whole.

    Raises:
        UsageError: both are given, or ``time_limit`` is no such number.
    """
    if limits is not None:
        if time_limit is not None:
            raise UsageError("give time_limit or limits, not both: limits has seconds")
        return limits
    seconds = TIME_LIMIT if time_limit is None else time_limit
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise UsageError(f"time_limit {seconds!r} is not a number of seconds such as 60")
    return Limits(seconds=None if math.isinf(seconds) else seconds)
