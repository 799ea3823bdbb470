"""How much memory a stage takes at most: :class:`Peak`."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

__all__ = ["Peak"]

_OWN = Path("/proc/self")
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which ``ru_maxrss`` counts."""


class Peak:
    """The peak of resident memory from construction on, in MB (2**20 bytes): of this process, and of its children.

    On Linux the peak so far is forgotten at the start; elsewhere it is that of the process since it began. Of children
    the largest since the process began is known, and what this process had when it started them counts for theirs. So
    one that took less than an earlier one, or than this process, is not seen: 0.
    """

    def __init__(self) -> None:
        self._children = _most(children=True)
        with contextlib.suppress(OSError):
            (_OWN / "clear_refs").write_text("5")

    @property
    def own(self) -> int:
        """Of this process."""
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s*(\d+) kB", (_OWN / "status").read_text())
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
