"""Ctrl-C and SIGTERM for a command: :func:`stoppable`.

Both end what runs as ``KeyboardInterrupt`` does, so that every ``with`` cleans up. Which one it was is remembered,
since on its way up an interrupt may be turned into another error, or be swallowed by a library. Light: imported before
anything else is.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Stop", "stoppable"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """What has been asked for: ``signal`` is None, or the first signal that came."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.final = False

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as a shell reports it; that of Ctrl-C where none came."""
        return 128 + (signal.SIGINT if self.signal is None else self.signal)

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal; once the end has begun, it changes nothing any more."""
        if not self.final:
            self.signal = self.signal or number
            raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable(restore: bool) -> Iterator[Stop]:
    """Inside, the signals raise ``KeyboardInterrupt``; afterwards they are as before, or ignored without ``restore``.

    A signal that is ignored already (``nohup``) stays so. Elsewhere than in the main thread nothing changes.
    """
    stop, before = Stop(), dict[int, Any]()
    try:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, stop)
        yield stop
    finally:
        stop.final = True
        for number, handler in before.items():
            signal.signal(number, handler if restore else signal.SIG_IGN)
