"""What native code prints behind Python's back goes nowhere while it is to go nowhere, and only then."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qnnsolve.host.streams import flush_native, unheard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the libraries do not exist there")


def printf(text: bytes) -> None:
    """Print as a C library does: into a buffer of its own."""
    ctypes.CDLL(None).printf(text)


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_nothing_is_heard_inside_and_all_is_outside(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before ")
    printf(b"buffered before ")
    with unheard():
        os.write(1, b"inside ")
        os.write(2, b"inside ")
        printf(b"buffered inside ")
    os.write(1, b"after")
    assert capfd.readouterr() == ("before buffered before after", "")


def test_an_error_inside_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = descriptors()
    with pytest.raises(ValueError, match="inside"), unheard():
        raise ValueError("inside")
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")
    assert descriptors() == before, "descriptors are left open"


def test_what_is_buffered_comes_out_where_it_is_flushed(capfd: pytest.CaptureFixture[str]) -> None:
    printf(b"greeting ")
    flush_native()
    os.write(1, b"report")
    assert capfd.readouterr().out == "greeting report"


CHILD = """
import os, sys
from qnnsolve.host.streams import silence_libraries
silence_libraries()
os.write(1, b"library"); os.write(2, b"library")
print("python")
print("to the parent", file=sys.stderr, flush=True)
"""


def test_a_child_whose_libraries_are_silent_still_reaches_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "to the parent\n")
