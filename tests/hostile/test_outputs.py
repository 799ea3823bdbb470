"""An output never overwrites what is read, under whatever name."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.cli.checks import check_output
from qnnsolve.errors import UsageError
from qnnsolve.host.outputs import spare_inputs

FACTS = "format = 1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt2", "data.npz", "data.pt", "nets.py"):
        Path(name).write_bytes(b"precious")
    Path("facts.toml").write_text(FACTS)
    Path("soft.pte").symlink_to("model.pt2")
    Path("hard.pte").hardlink_to("model.pt2")
    Path("sub").mkdir()
    return tmp_path


def export(*arguments: str) -> int:
    return cli.main(["export", *arguments, "--soc", "SM8750", "--no-verify"])


@pytest.mark.parametrize("out", ["model.pt2", "soft.pte", "hard.pte", "./sub/../model.pt2"])
def test_the_model_is_not_overwritten(out: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("model.pt2", "--out", out) == 2
    assert f"--out {Path(out)} is MODEL" in capsys.readouterr().err
    assert Path("model.pt2").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("model", "option", "path"),
    [
        ("model.pt2", "--calibration", "data.npz"),
        ("model.pt2", "--calibration", "data.pt"),
        ("model.pt2", "--facts", "facts.toml"),
        ("nets.py:net", "", "nets.py"),
        ("nets:net", "", "nets.py"),
    ],
)
def test_no_other_input_is(model: str, option: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(path).read_bytes()
    Path("link.pte").symlink_to(path)
    more = (option, path) if option else ()
    for out in (path, "link.pte"):
        assert export(model, *more, "--out", out) == 2
        assert "would be overwritten" in capsys.readouterr().err
    assert Path(path).read_bytes() == before


def test_what_is_no_input_may_be_written() -> None:
    Path("old.pte").write_bytes(b"old")
    spare_inputs("--out", "old.pte", [("MODEL", "model.pt2"), ("--calibration", None), ("facts", "gone.toml")])
    spare_inputs("--out", "new.pte", [("MODEL", "model.pt2")])
    with pytest.raises(UsageError, match=r"^--save model\.pt2 is RUN, which would be overwritten"):
        spare_inputs("--save", "model.pt2", [("RUN", "model.pt2")])


def test_a_name_that_is_too_long_is_told_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert export("model.pt2", "--out", "a" * 296 + ".pte") == 2
    assert capsys.readouterr().err.endswith("File name too long\n")
    check_output("a" * 246 + ".pte")
