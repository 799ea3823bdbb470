"""The file of a kept run: rows in and out of SQLite, checked on the way in.

Nothing in a file is trusted or executed: its schema must be ours word for word before anything else is read, and its
rows must be those that were written, by their digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from qnnsolve.errors import RunError, UsageError
from qnnsolve.foreign import printable
from qnnsolve.runs.columns import SqlTable
from qnnsolve.runs.schema import APPLICATION_ID, FORMATS, MEASUREMENTS

__all__ = [
    "DAMAGED",
    "LARGEST_CELL",
    "Row",
    "Rows",
    "beside",
    "check_target",
    "digest",
    "is_run",
    "read",
    "signed",
    "verified",
    "write",
]

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Mapping[str, Sequence[Row]]
"""The rows of each table, by its name."""

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
LARGEST_CELL = 1 << 26
"""Bytes that a cell may hold."""
DAMAGED = "the file is damaged: "
"""How a refusal of a damaged file begins."""


def _format(rows: Rows) -> int:
    return 3 if MEASUREMENTS.name in rows else 2


def digest(rows: Rows, tables: Sequence[SqlTable] | None = None) -> str:
    """SHA-256 over the rows of these tables (None: of all), each as one line of JSON."""
    found = hashlib.sha256()
    for each in FORMATS[_format(rows)] if tables is None else tables:
        found.update(json.dumps([each.name, rows[each.name]], separators=(",", ":")).encode())
        found.update(b"\n")
    return found.hexdigest()


def signed(rows: Rows) -> Rows:
    """The rows with their digest, in ``about``: what :func:`write` takes."""
    return {**rows, "about": [*rows["about"], ("digest", digest(rows))]}


def verified(path: str | os.PathLike[str]) -> dict[str, Sequence[Row]]:
    """The rows of a kept run, without their digest: those that were written.

    Raises:
        RunError: there is no such file, it is of another kind or format, or it is damaged.
    """
    rows = dict(read(path))
    noted = [row[1] for row in rows["about"] if row[0] == "digest"]
    rows["about"] = [row for row in rows["about"] if row[0] != "digest"]
    if noted != [digest(rows)]:
        raise RunError(path, f"{DAMAGED}it is not what was written")
    return rows


def is_run(path: Path) -> bool:
    """Whether a kept run of any format stands there, by its header."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return False
    return header[:16] == _MAGIC and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file that ``path`` means (links followed), where a run can be written. Nothing there is changed.

    Raises:
        UsageError: the folder is missing or cannot be written to, or something stands there that is no kept run.
    """
    called = printable(os.fspath(path))
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise UsageError(f"run {called} is a folder")
        if not target.parent.is_dir():
            raise UsageError(f"run {called}: the folder {printable(str(target.parent))} does not exist")
        if not os.access(target.parent, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
            raise UsageError(f"run {called} cannot be written")
        if target.exists() and not (target.is_file() and (target.stat().st_size == 0 or is_run(target))):
            raise UsageError(f"run {called}: a file that is no kept run is there, and is not replaced")
    except (OSError, ValueError) as error:  # a name that is too long, or holds what no name can
        raise UsageError(f"run {called} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return target


def beside(target: Path) -> Path:
    """A new name beside ``target``, for what is not whole yet."""
    return target.with_name(f".{os.getpid()}.{secrets.token_hex(4)}.partial")


def write(path: str | os.PathLike[str], rows: Rows) -> None:
    """Write a file of these rows: beside ``path``, then in its place.

    Raises:
        UsageError: it cannot be written.
    """
    target = check_target(path)
    partial = beside(target)
    try:
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection:
            _fill(connection, rows)
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"run {printable(os.fspath(path))} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, rows: Rows) -> None:
    connection.execute("PRAGMA journal_mode=OFF")  # what is not whole is thrown away
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={_format(rows)}")
    connection.execute("BEGIN")
    for each in FORMATS[_format(rows)]:
        connection.execute(each.sql)
        marks = ", ".join("?" * len(each.columns))
        connection.executemany(f"INSERT INTO {each.name} VALUES ({marks})", rows[each.name])
    connection.execute("COMMIT")


def read(path: str | os.PathLike[str]) -> Rows:
    """The rows of a kept run.

    Raises:
        RunError: there is no such file, it is of another kind or format, or it is damaged.
    """
    tables = FORMATS[_check_header(path)]
    try:
        with _opened(Path(path)) as connection:
            _check_schema(path, connection, tables)
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise RunError(path, DAMAGED + printable(str(verdict)))
            rows = {each.name: connection.execute(_select(each)).fetchall() for each in tables}
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise RunError(path, DAMAGED + printable(str(error))) from error
    for each in tables:
        _check_cells(path, each, rows)
    return rows


def _check_header(path: str | os.PathLike[str]) -> int:
    """The format of the file: what can be told from the first bytes, before SQLite sees it."""
    try:
        if not Path(path).is_file():
            raise RunError(path, "is no file" if Path(path).exists() else "there is no such file")
        with Path(path).open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise RunError(path, f"cannot be read: {error.strerror}") from error
    if len(header) < _HEADER or header[:16] != _MAGIC:
        raise RunError(path, "is no kept run")
    if header[68:72] != APPLICATION_ID.to_bytes(4, "big"):
        raise RunError(path, "is a database of another kind, and no kept run")
    version = int.from_bytes(header[60:64], "big")
    if version not in FORMATS:
        by = "a newer" if version > max(FORMATS) else "an older"
        ours = " and ".join(map(str, FORMATS))
        raise RunError(path, f"has format {version}, of {by} qnnsolve; this one reads {ours}: save it again")
    return version


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only, without looking for journals beside it; what a schema could call is switched off."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_CELL)
        for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {pragma}")
        yield connection


def _check_schema(path: str | os.PathLike[str], connection: sqlite3.Connection, tables: Sequence[SqlTable]) -> None:
    """Our tables, word for word, and nothing else: no view, no trigger, no index."""
    wanted = [("table", each.name, each.name, each.sql) for each in tables]
    found = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid LIMIT ?", (len(wanted) + 1,)
    ).fetchall()
    if found != wanted:
        strange = next((str(row[1]) for row in found if row not in wanted), "")
        raise RunError(path, f"its tables are not those of a kept run{strange and f': {printable(strange, 80)}'}")


def _select(each: SqlTable) -> str:
    return f"SELECT {', '.join(column.name for column in each.columns)} FROM {each.name} ORDER BY rowid"


def _check_cells(path: str | os.PathLike[str], each: SqlTable, rows: Mapping[str, Sequence[Row]]) -> None:
    """Every cell has its column's type, and every id is one of the table that it names."""
    found = rows[each.name]
    columns = zip(*found, strict=True) if found else iter(())
    for column, cells in zip(each.columns, columns, strict=False):
        types = set(map(type, cells)) - {column.cell.type}
        if types - ({type(None)} if column.null else set()):
            raise RunError(path, f"{DAMAGED}{each.name}.{column.name} holds what is no {column.cell.value}")
        if column.name == "id" and list(cells) != list(range(len(cells))):
            raise RunError(path, f"{DAMAGED}the rows of {each.name} are not numbered")
        if column.of and not column.many:
            ids = [cell for cell in cells if cell is not None]
            if ids and not 0 <= min(ids) <= max(ids) < len(rows[column.of]):
                raise RunError(path, f"{DAMAGED}{each.name}.{column.name} names no row of {column.of}")
