"""The stages of a run, told and timed: :class:`Stages`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from qnnsolve.host.child import Progress
from qnnsolve.host.memory import Peak

__all__ = ["EXPLAIN", "INSIDE", "Stages"]

EXPLAIN = "explain"
"""The stage that is run when somebody asks for it, so that no other stage covers it."""
INSIDE = ("emulator",)
"""Stages that are a part of another one."""


class Stages:
    """``with stages(name):`` tells of a stage's start and end, and keeps its seconds.

    Where stages follow one another without a gap, ``stages.lap(name)`` ends one.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress = progress
        self.seconds: list[tuple[str, float]] = []
        self.peaks: list[tuple[str, int, int]] = []
        """Of stages that are no laps: the most memory by their end, of this process and of its children, in MB."""
        self._began = self._ended = time.perf_counter()

    @property
    def laps(self) -> tuple[tuple[str, float], ...]:
        """Names and seconds so far, in order."""
        return tuple(self.seconds)

    @contextlib.contextmanager
    def __call__(self, name: str, total: int | None = None) -> Iterator[None]:
        """Inside is the stage ``name``, of ``total`` steps where they are counted."""
        start, peak = time.perf_counter(), Peak()
        self.step(name, 0, total)
        yield
        self.step(name, total or 1, total or 1)
        self._ended = time.perf_counter()
        self.seconds.append((name, self._ended - start))
        self.peaks.append((name, peak.own, peak.children))

    def whole(self, within: str, parts: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        """All seconds since the start by name: the stage ``within`` as its ``parts``, and as ``other`` what no stage
        covers.

        What remains of ``within`` keeps its name, or is ``prepare`` where one of its parts has that name.
        """
        found: list[tuple[str, float]] = []
        rest = "prepare" if within in dict(parts) else within
        for name, seconds in self.seconds:
            if name == within:
                inside = sum(each for part, each in parts if part != EXPLAIN)
                found += [*parts, (rest, max(0.0, seconds - inside))]
            elif name not in INSIDE:
                found.append((name, seconds))
        other = time.perf_counter() - self._began - sum(seconds for _, seconds in found)
        inner = [each for each in self.seconds if each[0] in INSIDE]
        return (*found, ("other", max(0.0, other)), *inner)

    def lap(self, name: str) -> None:
        """End the stage ``name``, which began when the one before it ended."""
        began, self._ended = self._ended, time.perf_counter()
        self.seconds.append((name, self._ended - began))

    def step(self, name: str, done: int, total: int | None) -> None:
        """Tell that so many steps of a stage are done."""
        if self.progress is not None:
            self.progress(name, done, total)
