"""The file of a run: what it replaces, how it may be called, and how large it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qnnsolve import load_run
from qnnsolve.errors import UsageError
from qnnsolve.runs import Solved, save_run
from tests.runs.kept import blocks, facts, solved


def test_two_runs_of_one_solve_have_the_same_bytes(made: Solved, tmp_path: Path) -> None:
    again = solved(facts(blocks(3)))
    save_run(tmp_path / "a.qnn", made)
    save_run(tmp_path / "b.qnn", again)
    assert (tmp_path / "a.qnn").read_bytes() == (tmp_path / "b.qnn").read_bytes()


def test_a_run_of_2000_ops_is_small(tmp_path: Path) -> None:
    made = solved(facts(blocks(250, width=64)))
    assert len(made.facts.built) == 2000
    save_run(tmp_path / "run.qnn", made)
    assert (tmp_path / "run.qnn").stat().st_size < 2_000_000
    assert load_run(tmp_path / "run.qnn").result == made.result


def test_an_earlier_run_is_replaced_only_by_a_complete_one(
    made: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.qnn"
    save_run(path, made, model="earlier")

    def fails(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(UsageError, match=r"run\.qnn cannot be written: no space left on device"):
        save_run(path, made, model="later")
    assert load_run(path).about["model"] == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["run.qnn"]
    monkeypatch.undo()
    save_run(path, made, model="later")
    assert load_run(path).about["model"] == "later"


@pytest.mark.parametrize("content", [b"a model", b"SQLite format 3\0" + b"\0" * 4000], ids=["other", "sqlite"])
def test_what_is_no_run_is_not_replaced(made: Solved, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.pt2: a file that is no kept run is there, and is not replaced"):
        save_run(path, made)
    assert path.read_bytes() == content


def test_where_nothing_can_be_written_is_told(made: Solved, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        save_run(tmp_path, made)
    with pytest.raises(UsageError, match=r"the folder .* does not exist"):
        save_run(tmp_path / "no" / "run.qnn", made)


def test_where_no_name_can_be_is_told(made: Solved, tmp_path: Path) -> None:
    for name in ("x" * 300, "nul\0", "folder/" * 1000 + "x"):
        with pytest.raises(UsageError) as refused:
            save_run(tmp_path / name, made)
        assert len(str(refused.value).splitlines()) == 1
    save_run(tmp_path / ("x" * 250), made)


def test_odd_names_of_files_work(made: Solved, tmp_path: Path) -> None:
    for name in ("a run?mode=rw#1%20.qnn", "läufe.qnn", ":memory:"):
        save_run(tmp_path / name, made)
        assert load_run(tmp_path / name).result == made.result
