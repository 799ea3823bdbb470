"""``qnnsolve page`` and ``--report``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.runs import save_run
from tests.cli.documents import hold
from tests.runs.kept import blocks, contradiction, facts, solved

TINY = "import torch\n\ndef tiny():\n    return torch.nn.Linear(4, 2), (torch.zeros(1, 4),)\n"
SOLVE = ("solve", "m.py:tiny", "--soc", "SM8350", "--precision", "16a8w")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(TINY)
    return tmp_path


def test_a_page_of_a_kept_run_needs_no_torch(folder: Path) -> None:
    save_run(folder / "net.qnn", solved(facts(blocks(2))), model="a net")
    code = """if True:
        import sys
        from qnnsolve import cli
        code = cli.main(["page", "net.qnn", "--out", "net.html"])
        assert code == 0 and "torch" not in sys.modules, code
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
    assert "a net for SM8350" in (folder / "net.html").read_text()


def test_a_page_of_a_run_without_a_solution(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_run(folder / "net.qnn", contradiction())
    assert cli.main(["page", "net.qnn", "-o", "net.html"]) == 0
    assert capsys.readouterr().out == "Page: net.html\n"
    assert "unsatisfiable: 1 conflict" in (folder / "net.html").read_text()
    assert cli.main(["page", "net.qnn", "-o", "net.html", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    hold(told)
    assert told["page"] == "net.html"


def test_no_page_of_what_is_no_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["page", "m.py", "--out", "net.html"]) != 0
    assert cli.main(["page", "none.qnn", "--out", "net.html"]) != 0
    said = capsys.readouterr().err.splitlines()
    assert ["is no kept run" in said[0], "there is no such file" in said[1], len(said)] == [True, True, 2]
    save_run(folder / "net.qnn", contradiction())
    assert cli.main(["page", "net.qnn", "--out", "net.qnn"]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert not (folder / "net.html").exists()


def test_a_solve_writes_its_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*SOLVE, "--report", "net.html"]) == 0
    assert "m.py:tiny for SM8350" in (folder / "net.html").read_text()
    assert sorted(each.name for each in folder.iterdir() if each.name != "__pycache__") == ["m.py", "net.html"]
    assert cli.main([*SOLVE, "--report", "again.html", "--save", "net.qnn"]) == 0
    assert (folder / "net.qnn").is_file() and (folder / "again.html").is_file()


def test_a_page_is_none_of_the_other_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for other in (["--report", "m.py"], ["--report", "x", "--save", "x"], ["--report", "none/x.html"]):
        assert cli.main([*SOLVE, *other]) == 2
    export = ["export", *SOLVE[1:], "--out", "x.pte", "--report", "x.pte"]
    assert cli.main(export) == 2
    assert (folder / "m.py").read_text() == TINY
    assert not (folder / "x").exists()
