"""A forged file that claims to be a whole run: an answer, or one line."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.errors import RunError
from qnnsolve.runs import save_run
from qnnsolve.runs.schema import FORMATS
from tests.runs.damaged import changing, everything, refused, sign
from tests.runs.kept import contradiction

STRANGE = ("'x'", "-1", "1000000000", "1e999", "X'00ff'", "''", "'[[[['", "'{\"node\":-9}'", "'[-1,99999]'", "'null'")


NESTED = "'" + "[" * 5000 + "]" * 5000 + "'"


def _columns() -> list[tuple[str, str]]:
    return [(each.name, column.name) for each in FORMATS[3] for column in each.columns]


@pytest.mark.parametrize(("table", "column"), _columns(), ids=".".join)
def test_a_forged_file_that_claims_to_be_whole(path: Path, table: str, column: str) -> None:
    """Whatever a cell holds: an answer, or one line."""
    data = path.read_bytes()
    draw = random.Random(f"{table}.{column}")
    for value in (*draw.sample(STRANGE, 3), NESTED):
        path.write_bytes(data)
        with contextlib.suppress(sqlite3.IntegrityError, sqlite3.DataError, RunError):
            with changing(path) as connection:
                connection.execute(
                    f"UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})"
                )
            sign(path)
            everything(load_run(path))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nodes SET kind = 'call_shell' WHERE id = 1",
        "UPDATE nodes SET args = '[{\"node\":9999}]' WHERE id = 7",
        "UPDATE nodes SET args = '[1],[2]' WHERE id = 7",
        "UPDATE encodings SET quant_max = 100000 WHERE name = 'u16'",
        "UPDATE constraints SET sites = '[]' WHERE id = 0",
        "UPDATE constraints SET kind = 'Exec' WHERE id = 0",
        'UPDATE builds SET json = \'{"fate":"__class__"}\' WHERE id = 0',
        "UPDATE asked SET json = '[]'",
        'INSERT INTO asked VALUES (\'{"where":{"by":"NODE","key":"none"},"what":{},"words":"w"}\')',
        'INSERT INTO asked VALUES (\'{"where":{"by":"REGEX","key":"("},"what":{},"words":"w"}\')',
        "DELETE FROM asked",
        "DELETE FROM records",
        "DELETE FROM outcome",
        "DELETE FROM placed",
        "DELETE FROM relation_rows",
        "DELETE FROM about WHERE key = 'soc'",
    ],
)
def test_a_forged_file_that_means_nothing(path: Path, statement: str) -> None:
    with changing(path) as connection:
        connection.execute(statement)
    sign(path)
    refused(path)


def test_a_conflict_whose_constraints_are_gone(path: Path) -> None:
    save_run(path, contradiction())
    with changing(path) as connection:
        connection.execute("UPDATE conflicts SET constraints = '[99999]'")
    sign(path)
    refused(path)
