"""What people complained about, as qnnsolve tells it: the outputs in ``docs/complaints.md`` are these.

``QNNSOLVE_SNAPSHOTS=write pytest tests/questions/test_complaints.py`` puts what is printed now into the page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.questions.complaints import COMPLAINTS

PAGE = Path(__file__).parents[2] / "docs" / "complaints.md"


def block(heading: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=\n)## {re.escape(heading)}\n(?P<text>.*?)```\n(?P<shown>.*?)```", re.DOTALL)


@pytest.mark.parametrize("heading", COMPLAINTS)
def test_what_is_printed_is_what_the_page_shows(heading: str) -> None:
    printed = COMPLAINTS[heading]()
    page = PAGE.read_text()
    found = block(heading).search(page)
    assert found is not None, f"docs/complaints.md has no '{heading}'"
    if os.environ.get("QNNSOLVE_SNAPSHOTS") == "write":
        start, end = found.span("shown")
        PAGE.write_text(page[:start] + printed + page[end:])
    else:
        assert found["shown"] == printed


def test_the_page_has_no_others() -> None:
    assert re.findall(r"(?m)^## (.*)$", PAGE.read_text()) == list(COMPLAINTS)
