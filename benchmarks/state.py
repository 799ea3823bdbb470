"""Of which state of the repository a measurement is, and on which day."""

from __future__ import annotations

import datetime
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["commit", "counted", "now"]


def commit() -> str:
    """Of this repository, with a plus sign where something is not committed."""
    command = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def now() -> dict[str, str]:
    """``commit`` and ``date`` (UTC), for a record."""
    return {"commit": commit(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()}


def counted(records: Iterable[Mapping[str, Any]], what: str) -> str:
    """How many records are of which state: ``12 tests at abc1234 on 2026-11-26``."""
    states = Counter((each.get("commit", "unknown"), each.get("date", "unknown")) for each in records)
    return ", ".join(f"{count} {what} at {state} on {date}" for (state, date), count in sorted(states.items()))
