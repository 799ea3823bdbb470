"""Several exports to one file, folders that only others may write to, and children that die in the middle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hostile.tampering import archive

ROOT = Path(__file__).parents[2]
WRITING = """
import sys
from pathlib import Path
from qnnsolve.host.outputs import put, unfinished

for turn in range(100):
    with unfinished(Path("out.pte")) as partial:
        partial.write_bytes(sys.argv[1].encode() * 300_000)
        put(partial, Path("out.pte"))
"""
NETS = """
import torch

def small(): return torch.nn.Linear(4, 2), (torch.ones(1, 4),)
def large(): return torch.nn.Linear(64, 512), (torch.ones(1, 64),)
"""
SETPRIV = shutil.which("setpriv")
WITHOUT_PRIVILEGES = [SETPRIV, "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
"""Root may write everywhere; without its capabilities it may do what the modes of its files say."""
QNNSOLVE = (sys.executable, "-m", "qnnsolve")


def environment(folder: Path) -> dict[str, str]:
    mine = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), "HOME": "/nonexistent", "QNN_SDK_ROOT": ""}
    return os.environ | mine | {"PYTHONDONTWRITEBYTECODE": "1"}  # what Python keeps beside a module is not ours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "work.py").write_text(WRITING)
    return tmp_path


def test_a_file_that_two_replace_is_always_whole(folder: Path) -> None:
    commands = [[sys.executable, "work.py", letter] for letter in "ab"]
    running = [subprocess.Popen(each, cwd=folder, env=environment(folder)) for each in commands]
    seen = set()
    while any(each.poll() is None for each in running):
        if (folder / "out.pte").exists():
            content = (folder / "out.pte").read_bytes()
            seen.add((len(content), content[:1], content[-1:]))
    assert [each.returncode for each in running] == [0, 0]
    assert seen <= {(300_000, b"a", b"a"), (300_000, b"b", b"b")} and seen
    assert sorted(path.name for path in folder.iterdir()) == ["nets.py", "out.pte", "tmp", "work.py"]


@pytest.mark.slow
def test_two_exports_to_one_file(folder: Path) -> None:
    """One of two whole programs is there in the end, and each says which one it wrote."""
    commands = [
        [*QNNSOLVE, "export", f"nets.py:{net}", "--soc", "SM8750", "--out", "out.pte"] for net in ("small", "large")
    ]
    around = environment(folder)
    running = [subprocess.Popen(it, cwd=folder, env=around, stdout=subprocess.PIPE, text=True) for it in commands]
    said = [each.communicate(timeout=300)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0]
    sizes = {int(re.findall(r"Program: out\.pte, ([\d,]+) bytes", each)[0].replace(",", "")) for each in said}
    assert len(sizes) == 2 and (folder / "out.pte").stat().st_size in sizes
    assert all("Emulator agrees" in each for each in said)
    assert sorted(path.name for path in folder.iterdir()) == ["nets.py", "out.pte", "tmp", "work.py"]
    assert list((folder / "tmp").iterdir()) == []


@pytest.fixture
def theirs(folder: Path) -> Path:
    """A folder of models that may not be written to, with files that may not be read; beside it one of one's own."""
    if WITHOUT_PRIVILEGES and SETPRIV is None:
        pytest.skip("needs setpriv to give up root's privileges")
    for name in ("theirs", "mine", "locked", "closed"):
        (folder / name).mkdir()
    theirs = folder / "theirs"
    (theirs / "m.pt2").write_bytes(archive())
    (theirs / "nets.py").write_text(NETS)
    for name in ("m.pt2", "facts.toml", "x.npz", "r.yaml", "nets.py"):
        (theirs / f"secret_{name}").write_bytes(b"")
        (theirs / f"secret_{name}").chmod(0)
    for name in ("mine/old.pte", "mine/protected.pte", "locked/old.pte"):
        (folder / name).write_bytes(b"old")
    (folder / "mine" / "protected.pte").chmod(0o444)
    for name in ("theirs", "locked", "closed"):
        (folder / name).chmod(0o555)
    return theirs


def run(command: str, theirs: Path, tmp: str = "tmp") -> tuple[int, str, str]:
    typed = [*WITHOUT_PRIVILEGES, *QNNSOLVE, *command.split(), "--soc", "SM8750"]
    around = environment(theirs.parent) | {"TMPDIR": str(theirs.parent / tmp), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([each or "" for each in typed], cwd=theirs, env=around, capture_output=True, text=True)
    assert list((theirs.parent / "tmp").iterdir()) == []
    assert sorted(path.name for path in theirs.iterdir() if "secret" not in path.name) == ["m.pt2", "nets.py"]
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("solve secret_m.pt2", "Permission denied"),
        ("solve secret_nets.py:small", "Permission denied"),
        ("solve m.pt2 --facts secret_facts.toml", "Permission denied"),
        ("solve m.pt2 --recipe secret_r.yaml", "Permission denied"),
        ("solve m.pt2 --save run.qnn", "cannot be written: Permission denied"),
        ("export m.pt2 --calibration secret_x.npz --out ../mine/old.pte", "Permission denied"),
        ("export m.pt2 --out x.pte", "the folder . cannot be written: Permission denied"),
        ("export m.pt2 --out ../locked/old.pte", "the folder ../locked cannot be written: Permission denied"),
        ("export m.pt2 --out ../mine/protected.pte", "is write-protected"),
    ],
)
def test_what_may_not_be_read_or_written(command: str, said: str, theirs: Path) -> None:
    code, out, err = run(command, theirs)
    assert code == 2 and out == "" and err.count("\n") == 1 and said in err
    found = {path.name: path.read_bytes() for path in (theirs.parent / "mine").iterdir()}
    assert found == {"old.pte": b"old", "protected.pte": b"old"}


@pytest.mark.slow
def test_solving_needs_no_folder_to_write_to(theirs: Path) -> None:
    code, out, err = run("solve nets.py:small", theirs, tmp="closed")
    assert (code, err) == (0, "") and "satisfiable" in out


@pytest.mark.slow
def test_exporting_needs_one_folder_to_write_to(theirs: Path) -> None:
    """With site-packages, HOME, the model's folder and the working directory closed."""
    code, out, err = run("export m.pt2 --out ../mine/old.pte", theirs)
    assert (code, err) == (0, "") and "Emulator agrees" in out
    assert (theirs.parent / "mine" / "old.pte").stat().st_size > 1000
    assert len(list((theirs.parent / "mine").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("child", "what"),
    [("qnnsolve.lowering.child", "the HTP compiler"), ("qnnsolve.verification.child", "the HTP emul")],
)
def test_a_child_that_crashes_in_the_middle(child: str, what: str, folder: Path) -> None:
    (folder / "out.pte").write_bytes(b"old")
    command = [*QNNSOLVE, "export", "nets.py:small", "--soc", "SM8750", "--out", "out.pte"]
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stderr=subprocess.PIPE, text=True) as running:
        os.kill(found(child, folder), signal.SIGSEGV)
        _, err = running.communicate(timeout=120)
    assert running.returncode == 3 and err.startswith(f"error: {what}") and "died of SIGSEGV" in err
    assert (folder / "out.pte").read_bytes() == b"old" and list((folder / "tmp").iterdir()) == []
    assert sorted(path.name for path in folder.iterdir()) == ["nets.py", "out.pte", "tmp", "work.py"]


def found(child: str, folder: Path) -> int:
    """The process that runs the module ``child`` for the command in ``folder``."""
    for _ in range(5_000):
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if child.encode() in (line := process.read_bytes()) and str(folder).encode() in line:
                    return int(process.parent.name)
            except OSError:
                continue
        time.sleep(0.02)
    raise AssertionError(f"no {child}")
