"""What a search measured is kept as it comes: no kill loses it, and it answers only what it was measured for."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from qnnsolve import load_run
from qnnsolve.errors import QnnSolveError, RunError, UsageError
from qnnsolve.runs import Measurements, Solved, content_key, save_run
from tests.runs.damaged import changing, everything, refused, sign

Fill = Callable[[Path], None]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "search.qnn"


@pytest.fixture(autouse=True)
def folder(out: Path) -> Path:
    out.parent.mkdir()
    return out.parent


@pytest.fixture
def fill(made: Solved) -> Fill:
    return lambda path: save_run(path, made, model="blocks")


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def put(out: Path, key: str, *values: tuple[str, Any]) -> None:
    with Measurements.open(out, key) as measurements:
        for name, value in values:
            measurements.put("noise", name, value)


def got(out: Path, key: str, name: str) -> Any:
    with Measurements.open(out, key) as measurements:
        return measurements.get("noise", name)


def one_line(raised: pytest.ExceptionInfo[QnnSolveError]) -> bool:
    return len(str(raised.value).splitlines()) == 1 and raised.value.exit_code == 2


@pytest.mark.parametrize("value", [0, 1.5e-300, "text", [1, [2.25]], {"sqnr": 30.5, "läufe": True}, float("inf")])
def test_a_value_comes_back_at_once_and_to_the_next_search(out: Path, value: Any) -> None:
    with Measurements.open(out, "key") as measurements:
        assert measurements.get("noise", "a -> b") is None
        measurements.put("noise", "a -> b", "an earlier value")
        measurements.put("noise", "a -> b", value)
        assert measurements.get("noise", "a -> b") == value
        assert measurements.get("weights", "a -> b") is None
    assert got(out, "key", "a -> b") == value
    assert names(out.parent) == ["search.qnn.search"]


def test_what_is_no_json_is_not_kept(out: Path) -> None:
    with Measurements.open(out, "key") as measurements, pytest.raises(TypeError):
        measurements.put("noise", "a", object())
    assert names(out.parent) == []


def test_another_key_is_never_answered_and_never_lost(out: Path, fill: Fill) -> None:
    put(out, "one", ("a", 1), ("b", 2))
    for key in ("other", "", "on", "one "):
        assert got(out, key, "a") is None
    with Measurements.open(out, "other") as measurements:
        measurements.put("noise", "a", 10)
        measurements.finish(fill)
    assert (got(out, "one", "a"), got(out, "one", "b"), got(out, "other", "a")) == (1, 2, 10)
    assert got(out, "other", "b") is None


def test_a_key_is_of_the_content_alone() -> None:
    key = content_key({"graph": "g", "weights": b"\0w"})
    assert key == content_key({"weights": b"\0w", "graph": b"g"}) and len(key) == 64
    others: list[dict[str, bytes | str]] = [
        {},
        {"graph": "g"},
        {"graph": "g", "weights": b"\0v"},
        {"graph": "g\0w", "weights": b""},
        {"graph": "g", "weight": b"s\0w"},
        {"graph": "g", "weights": b"\0w", "more": ""},
        {"graphg": "", "weights": b"\0w"},
    ]
    assert len({key, *map(content_key, others)}) == len(others) + 1


KILLS = 12
KILLED = f"""
import os, random, signal, sys, time
from qnnsolve.runs import Measurements

draw = random.Random(0)
for turn in range({KILLS}):
    seen, put = os.pipe()
    child = os.fork()
    if not child:
        with Measurements.open(sys.argv[1], "key") as measurements:
            for at in range(10**9):
                if measurements.get("noise", str(at)) is None:
                    measurements.put("noise", str(at), [at, "x" * 3000])
                    os.write(1, f"{{at}}\\n".encode())
                    os.write(put, b".")
    if turn % 2:  # the others may be killed before anything is put, on a slow machine each of them
        os.read(seen, 1)
    time.sleep(draw.uniform(0.001, 0.05))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_put(out: Path, fill: Fill) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, out], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told = [int(line) for line in ended.stdout.splitlines()]
    last = told[-1]
    assert told == sorted(set(told)), "nothing is measured twice"
    assert last + 1 - len(told) < KILLS, "only what was being put when a kill came was not told"
    with Measurements.open(out, "key") as measurements:
        for at in range(last + 1):
            assert measurements.get("noise", str(at)) == [at, "x" * 3000]
        assert measurements.get("noise", str(last + 2)) is None
        measurements.finish(fill)
    assert names(out.parent) == ["search.qnn"]
    assert got(out, "key", str(last)) == [last, "x" * 3000]


def test_a_finished_search_is_one_run_that_loads_and_measures_nothing_again(
    out: Path, fill: Fill, made: Solved
) -> None:
    put(out, "key", ("a", 1))
    with Measurements.open(out, "key") as measurements:
        measurements.put("noise", "b", 2)
        measurements.finish(fill)
    assert names(out.parent) == ["search.qnn"]
    run = load_run(out)
    everything(run)
    assert run.result == made.result and run.about["model"] == "blocks"
    before = out.read_bytes()
    with Measurements.open(out, "key") as again:
        assert (again.get("noise", "a"), again.get("noise", "b")) == (1, 2)
        again.finish(fill)
    assert out.read_bytes() == before, "the same search has the same bytes"
    put(out, "key")
    assert out.read_bytes() == before and names(out.parent) == ["search.qnn"]


def test_a_search_that_measured_nothing_leaves_an_ordinary_run(out: Path, fill: Fill, plain: Path) -> None:
    with Measurements.open(out, "key") as measurements:
        measurements.finish(fill)
    assert load_run(out).result == load_run(plain).result and out.stat().st_size == plain.stat().st_size


def test_measurements_are_added_to_the_run_that_stands_there(out: Path, plain: Path) -> None:
    shutil.copy(plain, out)
    with Measurements.open(out, "key") as measurements:
        measurements.put("noise", "a", 1)
        measurements.finish()
    assert names(out.parent) == ["search.qnn"] and got(out, "key", "a") == 1
    assert load_run(out).result == load_run(plain).result


def test_without_a_run_the_work_file_stays(out: Path) -> None:
    with Measurements.open(out, "key") as measurements:
        measurements.put("noise", "a", 1)
        measurements.finish()
    assert names(out.parent) == ["search.qnn.search"] and got(out, "key", "a") == 1


def test_an_earlier_run_stays_until_a_complete_one_is_there(out: Path, fill: Fill, made: Solved) -> None:
    save_run(out, made, model="earlier")
    before = out.read_bytes()

    def dies(path: Path) -> None:
        fill(path)
        raise RuntimeError("in the middle")

    for wrong, kind in (
        (dies, RuntimeError),
        (lambda path: None, RunError),
        (lambda path: path.write_bytes(b"half"), RunError),
    ):
        with Measurements.open(out, "key") as measurements, pytest.raises(kind):
            measurements.put("noise", kind.__name__, 1)
            measurements.finish(wrong)
        assert out.read_bytes() == before and names(out.parent) == ["search.qnn", "search.qnn.search"]
    assert got(out, "key", "RuntimeError") == got(out, "key", "RunError") == 1


def test_what_came_to_stand_there_meanwhile_is_not_replaced(out: Path, fill: Fill) -> None:
    with Measurements.open(out, "key") as measurements:
        measurements.put("noise", "a", 1)
        out.write_bytes(b"a model")
        with pytest.raises(UsageError, match="a file that is no kept run is there, and is not replaced"):
            measurements.finish(fill)
    assert out.read_bytes() == b"a model"
    out.unlink()
    assert got(out, "key", "a") == 1


def test_threads_may_share_it(out: Path) -> None:
    with Measurements.open(out, "key") as measurements, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda at: measurements.put("noise", str(at), at), range(100)))
    with Measurements.open(out, "key") as measurements:
        assert [measurements.get("noise", str(at)) for at in range(100)] == list(range(100))


def test_a_second_search_to_one_run_is_refused(out: Path, tmp_path: Path) -> None:
    (tmp_path / "link.qnn").symlink_to(out)
    with Measurements.open(out, "key") as measurements:
        measurements.put("noise", "a", 1)
        for name in (out, tmp_path / "link.qnn"):
            with pytest.raises(UsageError, match=r"search\.qnn: another search to it is under way") as raised:
                Measurements.open(name, "key")
            assert one_line(raised)
        opened = f"from qnnsolve.runs import Measurements; Measurements.open({str(out)!r}, 'key')"
        other = subprocess.run([sys.executable, "-c", opened], capture_output=True, text=True, check=False)
        assert other.returncode != 0 and "another search to it is under way" in other.stderr
        put(out.with_name("other.qnn"), "key", ("a", 1))
        measurements.put("noise", "b", 2)
    assert got(out, "key", "b") == 2


def test_a_work_file_that_the_search_before_has_just_removed_is_told_of(out: Path) -> None:
    put(out, "key", ("a", 1))
    with Measurements.open(out, "key") as measurements:
        out.with_name("search.qnn.search").unlink()
        with pytest.raises(UsageError, match=r"search\.qnn: noise of a cannot be kept: .*readonly") as raised:
            measurements.put("noise", "a", 1)
        assert one_line(raised)


def test_where_no_run_can_be_written_nothing_is_begun(out: Path, tmp_path: Path) -> None:
    out.write_bytes(b"a model")
    for name, match in (
        (out, "a file that is no kept run is there, and is not replaced"),
        (out.parent, "is a folder"),
        (tmp_path / "none" / "run.qnn", "does not exist"),
        (tmp_path / ("x" * 300), "cannot be written"),
        (tmp_path / ("x" * 250), "cannot be written"),
    ):
        with pytest.raises(UsageError, match=match) as raised:
            Measurements.open(name, "key")
        assert one_line(raised)
    assert names(out.parent) == ["search.qnn"] and names(tmp_path) == ["new"]


def test_a_damaged_run_is_refused_before_anything_is_measured(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE measurements SET value = '[0,9.0]' WHERE rowid = 1")
    refused(path, "it is not what was written")
    with pytest.raises(RunError, match="it is not what was written") as raised:
        Measurements.open(path, "a key")
    assert one_line(raised) and names(path.parent) == ["new", "run.qnn"]


@pytest.mark.parametrize("value", ["", "[", "[" * 100_000, "1,2"])
def test_a_forged_value_is_refused_when_it_is_asked_for(path: Path, value: str) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE measurements SET name = 'it', value = ? WHERE rowid = 1", (value,))
    sign(path)
    with Measurements.open(path, "a key") as measurements, pytest.raises(RunError, match="is damaged") as raised:
        measurements.get("noise", "it")
    assert one_line(raised)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (name TEXT)",
        "CREATE TRIGGER more AFTER INSERT ON measurements BEGIN DELETE FROM measurements; END",
        "ALTER TABLE measurements ADD COLUMN more TEXT",
        "DROP TABLE measurements",
        "PRAGMA application_id=7",
        "UPDATE measurements SET value = '2'",
        "UPDATE measurements SET key = 'another'",
        "UPDATE measurements SET value = X'31'",
        "UPDATE measurements SET value = CAST(X'ff41' AS TEXT)",
    ],
)
def test_a_work_file_that_is_not_as_it_was_written_is_refused(out: Path, statement: str) -> None:
    put(out, "key", ("a", 1))
    with changing(out.with_name("search.qnn.search")) as connection:
        connection.execute(statement)
    with pytest.raises(RunError, match=r"run .*search\.qnn\.search: (the file is damaged|is no work file)") as raised:
        Measurements.open(out, "key")
    assert one_line(raised) and names(out.parent) == ["search.qnn.search"]


def test_other_things_in_the_place_of_the_work_file_are_left_alone(out: Path, whole: Path) -> None:
    work = out.with_name("search.qnn.search")
    for content in (b"notes" * 1000, os.urandom(5000), whole.read_bytes()):
        work.write_bytes(content)
        with pytest.raises(RunError) as raised:
            Measurements.open(out, "key")
        assert one_line(raised) and work.read_bytes() == content
    work.unlink()
    work.mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        Measurements.open(out, "key")


def test_flipped_bytes_in_the_work_file(out: Path) -> None:
    """Refused, or without any meaning: no value comes back that was not put."""
    values = [(str(at), [at, at * 0.1]) for at in range(60)]
    put(out, "key", *values)
    work = out.with_name("search.qnn.search")
    data = work.read_bytes()
    draw = random.Random(0)
    written = [place for place, byte in enumerate(data) if byte]
    found = 0
    for place in (*range(100), *draw.sample(written, 100)):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        work.write_bytes(changed)
        try:
            with Measurements.open(out, "key") as measurements:
                assert [(name, measurements.get("noise", name)) for name, _ in values] == values
        except QnnSolveError as error:
            assert len(str(error).splitlines()) == 1
            found += 1
    assert found > 100, "most of the file means something"
