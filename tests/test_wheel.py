"""The wheel carries its data and works from a folder that is not the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

USE = """
import importlib.resources, json, pathlib, qnnsolve, sys
from qnnsolve.facts.socs import soc
assert pathlib.Path(qnnsolve.__file__).is_relative_to(sys.argv[1]), qnnsolve.__file__
assert soc("SM8350").htp_arch == "V68"
files = importlib.resources.files("qnnsolve")
for name in ("solve", "export", "error", "rules", "rule", "operator", "operators", "measure", "verify", "diff"):
    assert json.loads((files / "schema" / f"{name}-1.json").read_text())["$id"].startswith("urn:qnnsolve")
"""


def _run(*command: str, cwd: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files, so that nothing of the checkout's leftovers gets in."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    files = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), cwd=copy)
    return next(out.glob("*.whl"))


def test_every_data_file_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    package = ROOT / "qnnsolve"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
    assert "qnnsolve/schema/solve-1.json" in expected
    assert any(name.startswith("qnnsolve/facts/data/") for name in expected)
    assert expected - inside == set()
    assert any(name.endswith("LICENSE") for name in inside)
    assert not [name for name in inside if name.startswith(("tests/", "examples/", "benchmarks/"))]


def test_it_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    _run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(target), str(wheel), cwd=tmp_path)
    version = wheel.name.split("-")[1]
    path = {"PYTHONPATH": str(target)}
    assert _run(sys.executable, "-m", "qnnsolve", "--version", cwd=tmp_path, **path) == f"qnnsolve {version}\n"
    assert "usage: qnnsolve export" in _run(str(target / "bin" / "qnnsolve"), "export", "--help", cwd=tmp_path, **path)
    _run(sys.executable, "-c", USE, str(target), cwd=tmp_path, **path)
