"""How much memory was taken at most by the end of a stage, and how much is left: :class:`Peak`, :func:`available`."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

__all__ = ["Peak", "available"]

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which ``ru_maxrss`` counts."""


def available() -> int:
    """Bytes that more processes can have without swapping; where nobody says, as many as would do for any."""
    with contextlib.suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        if found is not None:
            return int(found[1]) << 10
    return sys.maxsize


class Peak:
    """The peak of resident memory, in MB (2**20 bytes): of this process since it began, and of its children.

    Linux could forget the peak at the start of each stage, but that counter belongs to the process and not to a
    library. Of children the largest since the process began is known, and what this process had when it started them
    counts for theirs. So one that took less than an earlier one, or than this process, is not seen: 0.
    """

    def __init__(self) -> None:
        self._children = _most(children=True)

    @property
    def own(self) -> int:
        """Of this process."""
        with contextlib.suppress(OSError):  # ``ru_maxrss`` counts what the parent had before it started this process
            found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
            if found is not None:
                return int(found[1]) >> 10
        return _most() * _UNIT >> 20

    @property
    def children(self) -> int:
        """Of the largest child that ended since."""
        now = _most(children=True)
        megabytes = now * _UNIT >> 20
        return megabytes if now > self._children and megabytes > self.own else 0


def _most(*, children: bool = False) -> int:
    """As ``getrusage`` counts it; 0 on Windows, which has none."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
