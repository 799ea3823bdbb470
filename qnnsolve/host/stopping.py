"""Ctrl-C and SIGTERM for a command: :func:`stoppable`.

Both end what runs as ``KeyboardInterrupt`` does, so that every ``with`` cleans up. Which one it was is remembered,
since on its way up an interrupt may be turned into another error, or be swallowed by a library. Light: imported before
anything else is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Stop", "stoppable"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """What has been asked for: ``signal`` is None, or the first signal that came.

    ``arrived`` gives the numbers of signals as bytes, in the order in which they came. Python calls handlers in the
    order of their numbers, once it gets to it: SIGTERM and then Ctrl-C, while a product is computed, would be Ctrl-C.
    (Of two that come before the kernel has told of either, the order is unknown: SIGTERM counts before Ctrl-C.)
    """

    def __init__(self, arrived: Callable[[], bytes] = lambda: b"") -> None:
        self.signal: int | None = None
        self.final = False
        self._arrived = arrived

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as a shell reports it; that of Ctrl-C where none came."""
        return 128 + (signal.SIGINT if self.signal is None else self.signal)

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal; once the end has begun, it changes nothing any more."""
        if not self.final:
            self.signal = self.signal or next((each for each in self._arrived() if each in SIGNALS), number)
            raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable(restore: bool) -> Iterator[Stop]:
    """Inside, the signals raise ``KeyboardInterrupt``; afterwards they are as before, or ignored without ``restore``.

    A signal that is ignored already (``nohup``) stays so. Elsewhere than in the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Stop()
        return
    with _arriving() as arrived:
        stop, before = Stop(arrived), dict[int, Any]()
        try:
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, stop)
            yield stop
        finally:
            stop.final = True
            for number, handler in before.items():
                signal.signal(number, handler if restore else signal.SIG_IGN)


@contextlib.contextmanager
def _arriving() -> Iterator[Callable[[], bytes]]:
    """Gives the numbers of the signals that have come since it was last asked."""
    if not hasattr(os, "register_at_fork"):  # Windows, where it would take a socket, and there is Ctrl-C alone
        yield lambda: b""
        return
    _keep_from_forks()
    with contextlib.ExitStack() as stack:
        reading, writing = os.pipe()
        for end in (reading, writing):
            stack.callback(os.close, end)
            os.set_blocking(end, False)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writing, warn_on_full_buffer=False))

        def arrived() -> bytes:
            try:
                return os.read(reading, 4096)
            except BlockingIOError:  # a handler that was called by hand
                return b""

        yield arrived


@functools.cache
def _keep_from_forks() -> None:
    """What a fork of this process is told to do (a worker that loads data, to end) is none of ours."""
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
