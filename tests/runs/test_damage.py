"""What is no kept run, or no longer one, is refused in one line, and nothing in it is executed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.errors import QnnSolveError, RunError, UsageError
from qnnsolve.runs import check_target
from qnnsolve.runs.schema import APPLICATION_ID, FORMATS
from tests.runs.damaged import changing, everything, refused


def test_the_whole_file_loads(path: Path) -> None:
    everything(load_run(path))
    assert issubclass(RunError, QnnSolveError)


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.qnn", "there is no such file")
    refused(tmp_path, "is no file")
    refused(tmp_path / ("x" * 300), "cannot be read")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is no file")


@pytest.mark.parametrize("content", [b"", b"qnnsolve", b"PK\3\4" + bytes(1000), os.urandom(5000)])
def test_files_of_other_kinds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    refused(tmp_path / "other", "is no kept run")


def test_other_databases(tmp_path: Path) -> None:
    with changing(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE nodes (id INTEGER PRIMARY KEY, name TEXT)")
    refused(tmp_path / "other.db", "a database of another kind")
    with changing(tmp_path / "other.db") as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={max(FORMATS)}")
    refused(tmp_path / "other.db", "its tables are not those of a kept run: nodes")


@pytest.mark.parametrize(("version", "told"), [(max(FORMATS) + 1, "a newer"), (1, "an older"), (2**31 - 1, "a newer")])
def test_files_of_other_formats(path: Path, version: int, told: str) -> None:
    with changing(path) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    refused(path, f"has format {version}, of {told} qnnsolve; this one reads 2 and 3: save it again")


def test_each_format_has_its_own_tables(path: Path, plain: Path) -> None:
    for file, version in ((path, 2), (plain, 3)):
        everything(load_run(file))
        with changing(file) as connection:
            connection.execute(f"PRAGMA user_version={version}")
        refused(file, "its tables are not those of a kept run")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT * FROM nodes",
        "CREATE TRIGGER more AFTER INSERT ON nodes BEGIN DELETE FROM nodes; END",
        "CREATE INDEX more ON nodes (name)",
        "CREATE TABLE more (name TEXT)",
        "CREATE VIRTUAL TABLE more USING fts5(name)",
        "ALTER TABLE nodes ADD COLUMN more TEXT",
        "ALTER TABLE nodes RENAME TO more",
        "DROP TABLE nodes",
    ],
)
def test_a_schema_that_is_not_ours(path: Path, statement: str) -> None:
    with changing(path) as connection:
        connection.execute(statement)
    refused(path, "its tables are not those of a kept run")


def test_names_that_cannot_be_printed(path: Path, tmp_path: Path) -> None:
    for name in ("two\nlines", "nul\0", "esc\x1b[2J"):
        with pytest.raises(RunError) as raised:
            load_run(f"{tmp_path}/{name}")
        assert str(raised.value).isprintable()
        with pytest.raises(UsageError) as refusal:
            check_target(f"{tmp_path}/none/{name}")
        assert str(refusal.value).isprintable()
    with changing(path) as connection:
        connection.execute('CREATE TABLE "two\nlines \x1b[2J" (x)')
    with pytest.raises(RunError, match="not those of a kept run: two lines") as raised:
        load_run(path)
    assert str(raised.value).isprintable()


def test_a_view_in_the_place_of_a_table_is_not_run(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("DROP TABLE nodes")
        connection.execute("CREATE VIEW nodes AS SELECT randomblob(1000000000) AS id")
    refused(path, "its tables are not those of a kept run: nodes")


def test_rows_that_were_changed(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE sites SET chosen = 0 WHERE id = 0")
    refused(path, "it is not what was written")


def test_flipped_bytes(path: Path) -> None:
    """Every byte of the header, and some of the rest: refused, or without any meaning."""
    data = path.read_bytes()
    intact = everything(load_run(path))
    draw = random.Random(0)
    found = 0
    written = [place for place, byte in enumerate(data) if byte]  # pages are half empty
    for place in (*range(100), *draw.sample(written, 300)):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            run = load_run(path)
        except RunError as error:
            assert len(str(error).splitlines()) == 1
            found += 1
        else:
            assert everything(run) == intact
    assert found > 200, "most of the file means something"


def test_truncated_files(path: Path) -> None:
    data = path.read_bytes()
    for size in (*range(0, len(data), len(data) // 40), len(data) - 1, len(data) - 4096):
        path.write_bytes(data[:size])
        refused(path)


def test_pages_in_each_other_s_place(path: Path) -> None:
    data = path.read_bytes()
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    draw = random.Random(1)
    for _ in range(20):
        one, other = draw.sample(range(1, len(pages)), 2)
        swapped = list(pages)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        path.write_bytes(b"".join(swapped))
        refused(path)


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE nodes SET several = 'yes' WHERE id = 1", "nodes.several holds what is no INTEGER"),
        ("UPDATE nodes SET target = 99999 WHERE id = 1", "nodes.target names no row of targets"),
        ("UPDATE nodes SET target = -1 WHERE id = 1", "nodes.target names no row of targets"),
        ("UPDATE sites SET id = 100000 WHERE id = 1", "the rows of sites are not numbered"),
        ("UPDATE nodes SET name = X'00' WHERE id = 1", "nodes.name holds what is no TEXT"),
    ],
)
def test_what_is_checked_before_anything_is_made_of_it(path: Path, statement: str, match: str) -> None:
    with changing(path) as connection:
        connection.execute(statement)
    refused(path, match)


def test_a_cell_that_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE nodes SET args = ? WHERE id = 1", ("[" + "1," * 50_000 + "1]",))
    monkeypatch.setattr("qnnsolve.runs.file.LARGEST_CELL", 50_000)
    refused(path, "too big")


def test_text_that_is_no_unicode(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE nodes SET name = CAST(X'ff41' AS TEXT) WHERE id = 1")
    refused(path)


def test_nothing_is_written_beside_it(path: Path) -> None:
    """No journal of it, and none that lies there is replayed."""
    Path(f"{path}-journal").write_bytes(os.urandom(4096))
    Path(f"{path}-wal").write_bytes(os.urandom(4096))
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    path.chmod(0o400)
    everything(load_run(path))
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
