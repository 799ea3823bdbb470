"""What a search has measured, kept as it comes: :class:`Measurements`, under a :func:`content_key`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from qnnsolve.errors import RunError, UsageError
from qnnsolve.foreign import printable, said
from qnnsolve.runs.file import DAMAGED, LARGEST_CELL, beside, check_target, is_run, signed, verified, write
from qnnsolve.runs.ids import compact, parsed
from qnnsolve.runs.schema import MEASUREMENTS

__all__ = ["Measurements", "content_key"]

Place: TypeAlias = tuple[str, str, str]
"""Key, kind and name of a value."""

_WORK_FILE = 0x514E534D  # QNSM
_TABLE = (
    "CREATE TABLE measurements (key TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    " seal TEXT NOT NULL, PRIMARY KEY (key, kind, name)) WITHOUT ROWID"
)
_UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def content_key(parts: Mapping[str, bytes | str]) -> str:
    """The SHA-256 of all that a measurement depends on, part by part.

    The order of the parts does not matter. Each name and each part goes in with its length before it, so that no two
    sets of parts run together. Text counts as its UTF-8.
    """
    found = hashlib.sha256()
    for name in sorted(parts):
        part = parts[name]
        for each in (name.encode(), part.encode() if isinstance(part, str) else part):
            found.update(len(each).to_bytes(8, "big"))
            found.update(each)
    return found.hexdigest()


class Measurements:
    """What a search has measured, in one file, one transaction each, under a content key.

    While a search works, its values stand in a work file beside the run: the run's name and ``.search``. A search that
    is killed at any moment loses at most the value that it was writing, and the next one finds the others.
    :meth:`finish` puts them into the run itself.

    To be used in a ``with``; :meth:`open` makes one. Threads may share it, processes may not.
    """

    def __init__(
        self, run: Path, key: str, kept: Mapping[Place, str], found: Mapping[Place, str], connection: sqlite3.Connection
    ) -> None:
        self._run, self._key, self._connection = run, key, connection
        self._values = {**kept, **found}
        self._more = bool(found)  # than the run has
        self._closed = False

    @classmethod
    def open(cls, out: str | os.PathLike[str], key: str) -> Measurements:
        """The measurements of the run ``out`` and of a search to it that was killed. Nothing is changed in the run.

        Args:
            out: the file of the run that the search will write; there may be none yet.
            key: the content key of what is measured now. Values of another key are kept, but never answered.

        Raises:
            UsageError: the run cannot be written, what stands there is no kept run, or a search to it is under way.
            RunError: the run or its work file is damaged, or of another format.
        """
        run = check_target(out)
        connection, found = _locked(run)
        try:  # under the lock: what another search has just put into the run is seen
            kept = _measured(run) if is_run(run) else {}
        except RunError:
            _close(connection, run, remove=not found)
            raise
        return cls(run, key, kept, found, connection)

    def get(self, kind: str, name: str) -> Any | None:
        """The value that was put for ``name`` under this key; None where there is none.

        Raises:
            RunError: the file is damaged.
        """
        text = self._values.get((self._key, kind, name))
        try:
            return None if text is None else parsed(text)
        except (ValueError, RecursionError) as error:
            raise RunError(self._run, f"{DAMAGED}{said(error)}") from error

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep ``value``, which JSON can say; it is on the disk when this returns. An earlier one is replaced.

        That is one wait for the disk, of up to some 15 ms on a busy machine: what one pass measures is one value.

        Raises:
            UsageError: it cannot be written.
        """
        place, text = (self._key, kind, name), compact(value)
        row = (*place, text)
        try:
            self._connection.execute("INSERT OR REPLACE INTO measurements VALUES (?, ?, ?, ?, ?)", (*row, _seal(row)))
        except sqlite3.Error as error:
            what = printable(f"{kind} of {name}")
            raise UsageError(f"run {printable(str(self._run))}: {what} cannot be kept: {error}") from error
        self._values[place], self._more = text, True

    def finish(self, fill: Callable[[Path], None] | None = None) -> None:
        """Put the measurements into the run, and end. An earlier run is replaced only by a complete one.

        Args:
            fill: writes the new run to the path that it is given, as :func:`save_run` does; None keeps the run that
                stands there. Where there is none, the work file stays for the next search.

        Raises:
            UsageError: the run cannot be written.
            RunError: what ``fill`` wrote is no whole run.

        Whatever is raised, by ``fill`` too, the earlier run and all measurements are still there.
        """
        if fill is not None or (self._more and is_run(self._run)):
            self._write(fill)
            self._more = False
        self._close()

    def _write(self, fill: Callable[[Path], None] | None) -> None:
        filled = self._run if fill is None else beside(self._run)
        try:
            if fill is not None:
                fill(filled)
            rows = verified(filled)
        finally:
            if fill is not None:
                filled.unlink(missing_ok=True)
        if self._values:
            rows[MEASUREMENTS.name] = [(*place, self._values[place]) for place in sorted(self._values)]
        write(self._run, signed(rows))

    def __enter__(self) -> Measurements:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if not self._closed:
            _close(self._connection, self._run, remove=not self._more)
            self._closed = True


def _measured(run: Path) -> dict[Place, str]:
    """The measurements that stand in a run."""
    rows = verified(run).get(MEASUREMENTS.name, ())
    return {(key, kind, name): value for key, kind, name, value in rows}


def _work_file(run: Path) -> Path:
    return run.with_name(f"{run.name}.search")


def _seal(row: Iterable[str]) -> str:
    """The SHA-256 of a row: one that was changed is not taken for a measurement."""
    return hashlib.sha256(compact(list(row)).encode()).hexdigest()


def _locked(run: Path) -> tuple[sqlite3.Connection, dict[Place, str]]:
    """The work file of a run, for this search alone, and what stands in it.

    The lock is SQLite's own on that file, which ends with the process. Nothing else here opens the file: the lock would
    go when that is closed.
    """
    work = _work_file(run)
    with _told(run, work), contextlib.ExitStack() as failing:
        connection = sqlite3.connect(work, timeout=0, isolation_level=None, check_same_thread=False)
        failing.callback(connection.close)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_CELL)
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "locking_mode=EXCLUSIVE", "synchronous=EXTRA"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN EXCLUSIVE")
        if _kind(connection) == (0, []):  # nothing stands there
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA application_id={_WORK_FILE}")
        found = _checked(work, connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=DELETE")
        failing.pop_all()
    return connection, found


def _kind(connection: sqlite3.Connection) -> tuple[int, list[Any]]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 2").fetchall()
    return application_id, schema


def _checked(work: Path, connection: sqlite3.Connection) -> dict[Place, str]:
    """What stands in our table, which must be there word for word, and nothing else; and every row as it was put."""
    if _kind(connection) != (_WORK_FILE, [("table", "measurements", "measurements", _TABLE)]):
        raise RunError(work, "is no work file of a search, and is not replaced")
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise RunError(work, DAMAGED + printable(str(verdict)))
    found = {}
    for *row, seal in connection.execute("SELECT key, kind, name, value, seal FROM measurements"):
        if set(map(type, row)) != {str} or seal != _seal(row):
            raise RunError(work, f"{DAMAGED}a measurement is not what was written")
        key, kind, name, value = row
        found[key, kind, name] = value
    return found


@contextlib.contextmanager
def _told(run: Path, work: Path) -> Iterator[None]:
    """What SQLite says of the work file, in one line."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says what kind of it
        if code == sqlite3.SQLITE_BUSY:
            raise UsageError(f"run {printable(str(run))}: another search to it is under way") from error
        if code in _UNWRITABLE:
            raise UsageError(f"run {printable(str(work))} cannot be written: {error}") from error
        raise RunError(work, DAMAGED + printable(str(error))) from error


def _close(connection: sqlite3.Connection, run: Path, *, remove: bool) -> None:
    """Give up the work file, and ``remove`` it: while the lock still holds, so that nobody else's goes."""
    if remove:
        connection.execute("PRAGMA journal_mode=OFF")  # or closing would remove a journal of that name
        work = _work_file(run)
        work.with_name(f"{work.name}-journal").unlink(missing_ok=True)
        work.unlink(missing_ok=True)
    connection.close()
