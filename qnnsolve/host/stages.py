"""The stages of a run, told and timed: :class:`Stages`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from qnnsolve.host.child import Progress

__all__ = ["Stages"]


class Stages:
    """``with stages(name):`` tells of a stage's start and end, and keeps its seconds.

    Where stages follow one another without a gap, ``stages.lap(name)`` ends one.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.seconds: list[tuple[str, float]] = []
        self._ended = time.perf_counter()

    @property
    def laps(self) -> tuple[tuple[str, float], ...]:
        """Names and seconds so far, in order."""
        return tuple(self.seconds)

    @contextlib.contextmanager
    def __call__(self, name: str, total: int | None = None) -> Iterator[None]:
        """Inside is the stage ``name``, of ``total`` steps where they are counted."""
        start = time.perf_counter()
        self.step(name, 0, total)
        yield
        self.step(name, total or 1, total or 1)
        self._ended = time.perf_counter()
        self.seconds.append((name, self._ended - start))

    def lap(self, name: str) -> None:
        """End the stage ``name``, which began when the one before it ended."""
        began, self._ended = self._ended, time.perf_counter()
        self.seconds.append((name, self._ended - began))

    def step(self, name: str, done: int, total: int | None) -> None:
        """Tell that so many steps of a stage are done."""
        if self.progress is not None:
            self.progress(name, done, total)
