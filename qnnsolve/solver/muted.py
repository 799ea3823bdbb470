"""Keeps quiet what writes to the process's standard output past Python: :func:`muted`."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

__all__ = ["muted"]


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Inside, file descriptor 1 leads nowhere.

    HiGHS (1.12, in scipy 1.17) prints a line by ``printf`` where a solution needs a repair, even when told to print
    nothing, and C keeps such lines back until its buffer is flushed.
    """
    try:
        flush = ctypes.CDLL(None).fflush
        flush(None)
        kept = os.dup(1)
    except (OSError, TypeError, AttributeError):  # no C library that can be asked, or no standard output
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path of anybody's
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
