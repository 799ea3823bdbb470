"""A kept run to damage, all that is read of one, and how it is refused."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.errors import RunError
from qnnsolve.runs import Run
from qnnsolve.runs.file import digest, read


def everything(run: Run) -> tuple[object, ...]:
    outcome = run.outcome
    return run.result, run.export, run.limits, run.problem.domains, list(run.facts.graph), run.encodings, type(outcome)


def refused(path: Path, match: str = ".") -> None:
    with pytest.raises(RunError, match=match) as raised:
        everything(load_run(path))
    assert len(str(raised.value).splitlines()) == 1 and str(path) in str(raised.value)
    assert raised.value.exit_code == 2


@contextlib.contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def sign(path: Path) -> None:
    """Make a changed file one that claims to be what was written."""
    rows = dict(read(path))
    rows["about"] = [row for row in rows["about"] if row[0] != "digest"]
    with changing(path) as connection:
        connection.execute("UPDATE about SET value = ? WHERE key = 'digest'", (digest(rows),))
