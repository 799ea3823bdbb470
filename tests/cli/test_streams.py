"""The command line as a process: what is loaded, and what comes out on which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.documents import ROOT
from tests.cli.faked import MODEL


def _command(*argv: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONUNBUFFERED", None)  # it would empty C's buffers too, and hide what comes out of them late
    command = [sys.executable, "-c", code, *argv] if code else [sys.executable, "-m", "qnnsolve", *argv]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


NO_TORCH = """
import sys
sys.modules["torch"] = None
from qnnsolve.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("export", "--help"), 0),
        (("solve", "x:y", "--soc", "SM8351"), 2),
        (("solve", "absent.pt2", "--soc", "SM8350"), 2),
    ],
)
def test_names_and_help_need_no_torch(tmp_path: Path, argv: tuple[str, ...], code: int) -> None:
    done = _command(*argv, cwd=tmp_path, code=NO_TORCH)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 if code else 0), done.stderr
    assert bool(done.stdout) == (code == 0)


NOISY = """
import ctypes, os, sys, types
from qnnsolve.results import Status, Unrunnable
from qnnsolve.solver import Conflict
from tests.records import solve_result
def solve(*args, **kwargs):
    print("python noise")
    os.write(1, b"native noise")
    ctypes.CDLL(None).printf(b"buffered noise")
    return solve_result()
pipeline = types.ModuleType("qnnsolve.pipeline")
pipeline.solve = solve
import qnnsolve
sys.modules["qnnsolve.pipeline"] = qnnsolve.pipeline = pipeline
from qnnsolve.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_stdout_is_the_report_alone_even_when_libraries_write_to_it(tmp_path: Path) -> None:
    (tmp_path / "noisy_model.py").write_text(MODEL)
    argv = ("solve", "noisy_model:tiny", "--soc", "SM8350", "--format", "json")
    done = _command(*argv, cwd=tmp_path, code=NOISY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "qnnsolve/solve/1"
    assert all(f"{kind} noise" in done.stderr for kind in ("native", "python", "buffered"))


LOADS = """
from qnnsolve.host.libraries import ensure_loaded
from qnnsolve.cli.terminal import report_stream
with report_stream(verbose=False) as stdout:
    ensure_loaded()
    print("{}", file=stdout)
"""


@pytest.mark.slow
def test_the_htp_libraries_greet_neither_on_stdout_nor_on_stderr(tmp_path: Path) -> None:
    """They print with C's buffer, which is emptied when the process ends: with a pipe, behind the report."""
    done = _command(cwd=tmp_path, code=LOADS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    assert _command(cwd=tmp_path, code="from qnnsolve.host import libraries; libraries.ensure_loaded()").stdout == ""
