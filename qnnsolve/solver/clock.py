"""The deadline of one solve."""

from __future__ import annotations

import time

__all__ = ["Clock", "LimitReached"]


class LimitReached(Exception):
    """A limit stopped the work; ``limit`` names it. Internal: :func:`solve` turns it into ``Unknown``."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(limit)


class Clock:
    """Tells whether ``seconds`` of wall time have passed since construction."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def remaining(self) -> float | None:
        """Seconds left (never negative), or ``None`` without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end

    def check(self) -> None:
        """Raises LimitReached once the time is over."""
        if self.expired:
            raise LimitReached(f"seconds={self._seconds:g}")
