"""What no file may do while it is read: :class:`Watch`."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["MEMORY", "SECONDS", "TooLong", "Watch"]

SECONDS = 10
"""Of the processor's time; in six times as many by the clock, since others may be at work here."""
MEMORY = 2**30
"""Bytes of memory that reading one file may take, beside what the process has."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
_RUNNING = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "socket.connect")
Snapshot = dict[str, tuple[int, int]]


class TooLong(BaseException):
    """Reading took longer than it may."""


class Watch:
    """Over one process, whose working directory, HOME and TMPDIR are folders in ``root``."""

    def __init__(self, root: Path) -> None:
        self.root, self.tmp = root, str(root / "tmp")
        self._watching = False
        self._seen: list[str] = []
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, self._alarm)
        sys.addaudithook(self._heard)

    @contextlib.contextmanager
    def over(self) -> Iterator[None]:
        """While a file is read.

        Raises:
            TooLong: it took more than :data:`SECONDS`.
            AssertionError: something was run, or written elsewhere than in TMPDIR, or left there.
        """
        self._seen.clear()
        before = self._snapshot()
        faulthandler.dump_traceback_later(12 * SECONDS, exit=True)  # where no signal gets through
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(6 * SECONDS)
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            faulthandler.cancel_dump_traceback_later()
        assert self._seen == [], f"it did {self._seen[:3]}"
        after = self._snapshot()
        assert after == before, f"it changed {sorted(after.items() ^ before.items())[:5]}"

    def _snapshot(self) -> Snapshot:
        """Everything below ``root``: size and time of change."""
        paths = [self.root, *self.root.rglob("*")]
        found = {str(path): path.lstat() for path in paths}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items() if path != self.tmp}

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event in _RUNNING:
            self._seen.append(f"{event} {arguments!r}"[:300])
        elif event in _CHANGING or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            path = arguments[0]
            where = str(Path(os.fsdecode(path)).absolute()) if isinstance(path, str | bytes | os.PathLike) else self.tmp
            if not where.startswith(self.tmp) and where != os.devnull:
                self._seen.append(f"{event} {where}"[:300])

    @staticmethod
    def _alarm(*_: object) -> None:
        raise TooLong
