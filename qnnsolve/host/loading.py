"""What a process tells while it loads somebody's libraries: :class:`Loads`."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from qnnsolve.host.child import Report

__all__ = ["Loads"]

_LIBRARY = re.compile(r"\.(so(\.[\d.]+)?|dylib)$")


class Loads:
    """Reports what is done next, and each library that Python is about to load meanwhile.

    Whoever is told so last knows what ended the process.
    """

    def __init__(self, report: Report) -> None:
        self._report, self._now = report, ""
        sys.addaudithook(self._heard)

    def doing(self, what: str) -> None:
        """Tell of what comes next, worded to follow *while*."""
        self._now = what
        self._report(what, 0, None)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        place = {"import": 1, "ctypes.dlopen": 0}.get(event)  # Python's own events, with the file at this place
        path = arguments[place] if place is not None and place < len(arguments) else None
        if self._now and isinstance(path, str | bytes) and _LIBRARY.search(name := os.fsdecode(path)):
            self._report(f"{self._now}; the last library that it loaded is {name}", 0, None)
