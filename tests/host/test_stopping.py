"""Signals end what runs, and which one it was is known; nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from qnnsolve.host.stopping import Stop, stoppable


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would these tests, without end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("restore", [True, False])
def test_handlers_are_put_back_or_off(restore: bool) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH208, PTH112
    try:
        with stoppable(restore) as stop, pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        assert stop.exit_code == 143
        after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        assert after == (before if restore else [signal.SIG_IGN] * 2)
        assert signal.set_wakeup_fd(-1) == -1
        if opened:
            assert len(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_what_a_fork_is_told_is_not_told_to_us() -> None:
    """A worker that loads data is ended by SIGTERM, and then comes Ctrl-C."""
    with stoppable(restore=True) as stop:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            os.write(writing, b"ready")
            signal.pause()
        os.read(reading, 5)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0) == (child, 0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        assert stop.exit_code == 130


def test_elsewhere_than_in_the_main_thread_nothing_changes() -> None:
    found: list[Stop] = []

    def work() -> None:
        with stoppable(restore=True) as stop:
            found.append(stop)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before and found[0].signal is None
