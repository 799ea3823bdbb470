"""The deadline of one solve."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Clock", "LimitReached", "without_collector"]


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


@contextmanager
def without_collector() -> Iterator[None]:
    """Holds off the cyclic garbage collector: a solve makes many objects, no cycles, and a third faster without it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
