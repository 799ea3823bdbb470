"""macOS, Windows, other processors, and Linux without the libraries: what needs them says so, the rest works."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.errors import HostBackendError
from qnnsolve.host import libraries

ROOT = Path(__file__).parents[2]

PLATFORMS = [("Darwin", "arm64"), ("Darwin", "x86_64"), ("Windows", "AMD64"), ("Linux", "aarch64")]

MODEL = """
import torch

def tiny():
    return torch.nn.Linear(4, 2).eval(), (torch.ones(1, 4),)
"""

WITHOUT_PACKAGE = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "onnxruntime_qnn":
            raise ModuleNotFoundError(name=name)
        return None

import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "onnxruntime_qnn" else real(name, package)
sys.meta_path.insert(0, Absent())
from qnnsolve.cli import main
sys.exit(main(sys.argv[1:]))
"""

ELSEWHERE = """
import platform, sys
import torch  # picks its own libraries by the real platform
platform.system, platform.machine = lambda: "Darwin", lambda: "arm64"
from qnnsolve.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def fresh_host() -> Iterator[None]:
    """Nothing remembered of this machine's real libraries."""
    libraries._load.cache_clear()
    yield
    libraries._load.cache_clear()


@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_lowering_says_where_it_works(
    monkeypatch: pytest.MonkeyPatch, fresh_host: None, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(HostBackendError, match=f"Linux x86-64 only; this is {system} {machine}"):
        libraries.ensure_loaded()


@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_export_exits_3_in_one_line_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    fresh_host: None,
    system: str,
    machine: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert cli.main(["export", "no_such_module:x", "--soc", "SM8350", "--out", "x.pte"]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "Solving and annotating work everywhere" in err
    assert list(tmp_path.iterdir()) == []


def _command(code: str, cwd: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    (cwd / "small_model.py").write_text(MODEL)
    environment = {name: value for name, value in os.environ.items() if name != "QNN_SDK_ROOT"}
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


REQUEST = ("small_model:tiny", "--soc", "SM8350", "--precision", "16a8w")


@pytest.mark.slow
@pytest.mark.parametrize("code", [WITHOUT_PACKAGE, ELSEWHERE], ids=["no package", "macOS"])
def test_solve_works_without_the_libraries(tmp_path: Path, code: str) -> None:
    done = _command(code, tmp_path, "solve", *REQUEST)
    assert done.returncode == 0, done.stderr
    assert "satisfiable" in done.stdout


def test_export_without_the_package_says_what_to_install(tmp_path: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("here the platform itself is the reason")
    done = _command(WITHOUT_PACKAGE, tmp_path, "export", *REQUEST, "--out", "x.pte")
    assert done.returncode == 3, done.stderr
    assert done.stderr == (
        "error: no HTP libraries: install the package onnxruntime-qnn (Linux x86-64), or point QNN_SDK_ROOT to an SDK\n"
    )
    assert not (tmp_path / "x.pte").exists()


def test_an_sdk_root_that_holds_no_sdk_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_host: None
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("QNN_SDK_ROOT", str(tmp_path))
    with pytest.raises(HostBackendError, match=r"QNN_SDK_ROOT is .* does not exist"):
        libraries.ensure_loaded()
