"""The deadline of one solve."""

from __future__ import annotations

import time

__all__ = ["Clock", "LimitReached", "MemoryReached"]


class LimitReached(Exception):
    """A limit stopped the work; ``limit`` names it. Internal: :func:`solve` turns it into ``Unknown``."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(limit)


class MemoryReached(LimitReached):
    """The limit was one of memory: what needs less of it may still be tried."""


class Clock:
    """Tells whether ``seconds`` of wall time have passed since construction."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def name(self) -> str:
        """The limit, as answers name it."""
        return f"seconds={self._seconds:g}" if self._seconds is not None else "none"

    @property
    def remaining(self) -> float | None:
        """Seconds left (never negative), or ``None`` without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end

    def extended(self, share: float) -> Clock:
        """A clock that ends later, by this share of the seconds that this one was given."""
        longer = Clock(None)
        longer._seconds = self._seconds
        longer._end = None if self._end is None or self._seconds is None else self._end + share * self._seconds
        return longer

    def check(self) -> None:
        """Raises LimitReached once the time is over."""
        if self.expired:
            raise LimitReached(self.name)
