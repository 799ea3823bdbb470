"""What QNN says goes wrong, in the log of a child: :func:`errors_in`, :func:`last_error`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

__all__ = ["errors_in", "last_error"]

FULL = 2**20
"""With fewer bytes than these, a disk counts as full."""
MOST_READ = 2**22
"""Bytes of a log, from its end, in which the last error is looked for."""
_ERROR_LINE = re.compile(r"^\[ERROR\] \[Qnn ExecuTorch\]:\s*(?:<E>\s*)?(.*\S)")
_HARMLESS = ("unexpected GraphHtpSettings option",)
"""Errors that QNN 2.51 logs for every graph, since ExecuTorch 1.5.1 asks for settings of an older header."""


def errors_in(log: str) -> tuple[str, ...]:
    """QNN's own error messages in a child's log, in order, each once, without those that mean nothing."""
    found = (match[1] for line in log.splitlines() if (match := _ERROR_LINE.match(line)))
    return tuple(dict.fromkeys(message for message in found if not message.startswith(_HARMLESS)))


def last_error(log: Path) -> str:
    """The latest of QNN's errors, worded to end a message; else nothing, or that there is no space left."""
    if shutil.disk_usage(log.parent).free < FULL:
        return f"; TMPDIR {log.parent.parent} is full"
    with log.open("rb") as said:
        said.seek(-min(log.stat().st_size, MOST_READ), os.SEEK_END)  # it may have no end
        messages = errors_in(said.read(MOST_READ).decode("utf-8", errors="replace"))
    return f"; its last error: {messages[-1]}" if messages else ""
