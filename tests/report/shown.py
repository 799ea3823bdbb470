"""What several tests of reports read: text as it is printed, and an export that compared nothing."""

from __future__ import annotations

import io

from qnnsolve.report.text import Line, print_lines
from qnnsolve.results import (
    Verification,
)


def text(lines: tuple[Line, ...]) -> str:
    """These lines as they are printed."""
    out = io.StringIO()
    print_lines(lines, out)
    return out.getvalue()


NOTHING_COMPARED = Verification(float("nan"), float("nan"), 0.01, 1, (), random_outputs=(0, 1))
