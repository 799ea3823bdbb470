"""However a command ends: the right code, one line, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve.errors import FactsError, RecipeError, RunError, UnknownNameError, UsageError

ROOT = Path(__file__).parents[2]
WORKING = """
import hashlib, sys, time
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
            if HOW == "long":  # Python gets to no handler before it is done
                hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000)
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

CHATTY = """
import sys, torch

def net():
    for _ in range(1000):
        print("chatter of a model")
        print("more of it", file=sys.stderr)
    return torch.nn.ReLU(), (torch.zeros(1, 4),)

def closing():
    sys.stdout.close()
    sys.stderr.close()
    return net()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out.pte").write_bytes(b"old")
    (tmp_path / "work.py").write_text(WORKING)
    (tmp_path / "chatty.py").write_text(CHATTY)
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


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_of_two_signals_the_first_counts(numbers: tuple[signal.Signals, signal.Signals], folder: Path) -> None:
    """Also where Python is told of both at once, and asks for the lower number first."""
    command = [sys.executable, "work.py", "solve", "x.pt2", "--soc", "SM8750", "long"]
    with heeding_interrupts():
        child = subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE)
    with child:
        waited(folder / "ready")
        time.sleep(0.1)
        for number in numbers:
            child.send_signal(number)
            time.sleep(0.1)
        assert not (folder / "seen").exists(), "the handlers were called apart: it shows nothing"
        _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (128 + numbers[0], b"error: interrupted\n")
    assert list((folder / "tmp").iterdir()) == []


def command(shell: str, folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    script = shell.replace("qnnsolve", f"{sys.executable} -m qnnsolve")
    around = environment(folder) | more
    return subprocess.run(["bash", "-c", script], cwd=folder, env=around, capture_output=True, timeout=60)


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
        ("qnnsolve --help >/dev/full", 2, b"error: stdout cannot be written: No space left on device\n"),
        ("qnnsolve solve --help >/dev/full", 2, b"error: stdout cannot be written: No space left on device\n"),
        ("qnnsolve --version >/dev/full", 2, b"error: stdout cannot be written: No space left on device\n"),
        ("qnnsolve --version >&-", 2, b"error: stdout is closed: there is nowhere to write the report\n"),
        ("qnnsolve --help 2>&- >/dev/null", 0, b""),
    ],
)
@pytest.mark.parametrize("buffered", [True, False])
def test_streams_that_take_nothing(shell: str, code: int, said: bytes, buffered: bool, folder: Path) -> None:
    done = command(shell, folder, PYTHONUNBUFFERED="" if buffered else "1")
    assert (done.returncode, done.stderr) == (code, said)
    if "2>&-" in shell:
        assert done.stdout == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solve", "buffered"),
    [
        ("chatty.py:net --soc SM8750 2>/dev/full", True),
        ("chatty.py:net --soc SM8750 2> >(true)", False),
        ("chatty.py:closing --soc SM8750 2>/dev/full", True),
    ],
)
def test_a_model_may_say_much_where_nobody_takes_it(solve: str, buffered: bool, folder: Path) -> None:
    done = command(f"qnnsolve solve {solve} >/dev/null", folder, PYTHONUNBUFFERED="" if buffered else "1")
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_error_is_on_stdout_where_stderr_takes_nothing(folder: Path) -> None:
    done = command("qnnsolve solve nothing --soc SM8750 --format json 2>/dev/full", folder)
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["exit_code"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb '$(touch x)"])
def test_a_folder_for_temporary_files_with_any_name(name: bytes, folder: Path) -> None:
    """torch cannot take one that is no UTF-8: that is told before any work. Solving needs none."""
    tmp = folder / os.fsdecode(name)
    tmp.mkdir()
    assert command("qnnsolve solve chatty.py:net --soc SM8750", folder, TMPDIR=str(tmp)).returncode == 0
    if name == b"caf\xe9":
        done = command("qnnsolve export chatty.py:net --soc SM8750 --out out.pte", folder, TMPDIR=str(tmp))
        told = [line for line in done.stderr.splitlines() if not line.startswith((b"chatter", b"more"))]
        assert told == [b"error: the folder that TMPDIR names is no UTF-8; name another one"]
        assert done.returncode == 3
    assert list(tmp.iterdir()) == [] and (folder / "out.pte").read_bytes() == b"old"


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "error",
    [
        UsageError(f"unknown wish '{LONG}': did you mean cpu?"),
        UnknownNameError("wish", LONG, ["cpu"]),
        FactsError("f.toml", f"unknown wish '{LONG}': did you mean cpu?"),
        RecipeError("r.yaml", f"unknown wish '{LONG}': did you mean cpu?", 3),
        RunError("a.qnn", f"unknown wish '{LONG}': did you mean cpu?"),
    ],
)
def test_what_was_given_is_not_repeated_without_end(error: Exception) -> None:
    assert len(str(error)) < 1_600 and "unknown wish 'xxx" in str(error) and "cpu" in str(error)[-20:]
