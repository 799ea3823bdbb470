"""However a command ends: the right code, one line, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKING = """
import sys, time
from pathlib import Path
from qnnsolve import cli
from qnnsolve.cli.commands import models
from qnnsolve.host.leftovers import scratch_folder
from qnnsolve.host.outputs import put, unfinished

def work(arguments, stdout):
    target = Path("out.pte").absolute()
    with scratch_folder() as folder, unfinished(target) as partial:
        (folder / "weights").write_bytes(bytes(1000))
        partial.write_bytes(b"half")
        Path("ready").touch()
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            Path("seen").touch()
            if HOW == "slowly":
                time.sleep(30)
            if HOW == "changed":
                raise ValueError("not the interrupt")
            raise
    return 0

models._solve = work
HOW = sys.argv.pop()
sys.exit(cli.main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out.pte").write_bytes(b"old")
    (tmp_path / "work.py").write_text(WORKING)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), "QNN_SDK_ROOT": ""}


def waited(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"no {path}")


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Children get interrupts, also where these tests were started in the background, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", ["once", "slowly", "changed"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(number: signal.Signals, how: str, folder: Path) -> None:
    command = [sys.executable, "work.py", "solve", "x.pt2", "--soc", "SM8750", how]
    with heeding_interrupts():
        child = subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE)
    with child:
        waited(folder / "ready")
        child.send_signal(number)
        if how == "slowly":  # while it cleans up, the user loses patience
            waited(folder / "seen")
            child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 128 + number
    assert err == b"error: interrupted\n"
    assert list((folder / "tmp").iterdir()) == []
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".pte") == ["out.pte"]
    assert (folder / "out.pte").read_bytes() == b"old"


def command(shell: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    script = shell.replace("qnnsolve", f"{sys.executable} -m qnnsolve")
    return subprocess.run(["bash", "-c", script], cwd=folder, env=environment(folder), capture_output=True, timeout=60)


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("qnnsolve rules >/dev/full", 2, b"error: the report cannot be written to stdout: No space left on device\n"),
        ("qnnsolve rules >&-", 2, b"error: stdout is closed: there is nowhere to write the report\n"),
        ("qnnsolve rules | head -1 >/dev/null; exit ${PIPESTATUS[0]}", 0, b""),
        ("qnnsolve rules 2>&- >/dev/null", 0, b""),
        ("qnnsolve solve nothing 2>&- --soc SM8750", 2, b""),
        ("qnnsolve solve $'caf\\xe9.pt2' --soc SM8750", 2, b"error: model caf\\udce9.pt2 does not exist\n"),
        ("qnnsolve solve nothing --soc SM8750 --format json 2>/dev/full >/dev/full", 2, b""),
    ],
)
def test_streams_that_take_nothing(shell: str, code: int, said: bytes, folder: Path) -> None:
    done = command(shell, folder)
    assert (done.returncode, done.stderr) == (code, said)
    if "2>&-" in shell:
        assert done.stdout == b""
