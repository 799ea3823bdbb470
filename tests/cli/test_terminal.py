"""What is shown on a terminal alone."""

from __future__ import annotations

import io

import pytest

from qnnsolve.cli.terminal import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr("sys.stderr", stream)
        with progress_bar() as progress:
            assert (progress is None) == (not stream.isatty())
            if progress is not None:
                progress("calibrate", 1, 4)
                progress("calibrate", 4, 4)
                progress("lower", 0, None)
        assert ("calibrate" in stream.getvalue()) == stream.isatty()
        assert (" left " in stream.getvalue()) == stream.isatty()
