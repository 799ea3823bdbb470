"""What is read may be a pipe, a device without end, a folder, a loop of links: one line says so, at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.errors import FactsError
from qnnsolve.facts.table_reading import load_table
from qnnsolve.host.inputs import LARGEST, plain_bytes
from tests.hostile.tampering import archive

KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "huge": lambda path: (path.touch(), os.truncate(path, 2**40)),  # type: ignore[func-returns-value]
}
READ = [
    ("x.pt2", "solve FILE"),
    ("x.py", "solve FILE:net"),
    ("x.toml", "solve m.pt2 --facts FILE"),
    ("x.yaml", "solve m.pt2 --recipe FILE"),
    ("x.json", "solve m.pt2 --recipe FILE"),
    ("x.npz", "export m.pt2 --calibration FILE --out out.pte"),
    ("x.pt", "export m.pt2 --calibration FILE --out out.pte"),
    ("x.qnn", "solve m.pt2 --save FILE"),
    ("x.pte", "export m.pt2 --out FILE"),
]
NEW = {(name, kind) for name in ("x.qnn", "x.pte") for kind in ("dangling", "loop")} | {("x.pte", "huge")}
"""Where the command may well write."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)
    Path("m.pt2").write_bytes(archive())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "command", "kind"),
    [(name, command, kind) for name, command in READ for kind in KINDS if (name, kind) not in NEW],
)
def test_files_that_are_none(
    name: str, command: str, kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    KINDS[kind](Path(name))
    typed = [name if each == "FILE" else each.replace("FILE", name) for each in command.split()]
    assert cli.main([*typed, "--soc", "SM8750"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and name in err
    assert sorted(path.name for path in folder.iterdir()) == sorted(["m.pt2", name])


def test_what_is_read_whole_has_bounds(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.touch()
    os.truncate(path, LARGEST + 1)
    with pytest.raises(OSError, match="it is larger than 64 MB"):
        plain_bytes(path)
    os.truncate(path, 3)
    assert plain_bytes(path) == b"\0" * 3
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FactsError, match="it is no plain file"):
        load_table(path)


@pytest.mark.parametrize("start", ["a\0", "a" * 300, "b/" + "a" * 300, "a/" * 3000])
@pytest.mark.parametrize(("name", "command"), READ)
def test_names_that_no_file_has(
    name: str, command: str, start: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [each.replace("FILE", start + name) for each in command.split()]
    assert cli.main([*typed, "--soc", "SM8750"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and len(err) < 2_000
    assert [path.name for path in folder.iterdir()] == ["m.pt2"]
