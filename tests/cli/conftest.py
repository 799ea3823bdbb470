"""The command line on a pipeline that answers as told."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from qnnsolve import cli
from tests.cli.documents import Ask
from tests.cli.faked import MODEL, Fake, never


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command in a fresh folder with ``my_model.py`` in it, on a pipeline that answers as told."""
    module = f"model_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)

    def go(*argv: str, answer: Fake | None = None) -> int:
        fake = types.ModuleType("qnnsolve.pipeline")
        vars(fake).update(solve=answer or never, export=answer or never)
        monkeypatch.setitem(sys.modules, "qnnsolve.pipeline", fake)
        monkeypatch.setattr("qnnsolve.pipeline", fake, raising=False)
        return cli.main([each.replace("MODEL", module) for each in argv])

    return go


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command; its exit code, stdout and stderr."""

    def go(*argv: str) -> tuple[int, str, str]:
        code = cli.main(argv)
        return code, *capsys.readouterr()

    return go
