"""A short run of the fuzzer, with the day's seed. And what watches it does see."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hostile.fuzz import ROOT, fuzz


def test_mutated_files_are_read_or_refused() -> None:
    said = fuzz(int(time.time()) // 86_400, rounds=150)
    refused = int(said.split(", ")[1].split()[0])
    assert 40 < refused < 150, said


@pytest.mark.parametrize(
    ("does", "seen"),
    [
        ("Path('ran').touch()", "it did ['open"),
        ("Path(home, 'x').write_text('x')", "it did ['open"),
        ("ctypes.CDLL(None).mkdir(b'ran', 0o700)", "it changed"),
        ("Path(tmp, 'x').touch()", "it changed"),
        ("os.system('true')", 'it did ["os.system'),
        ("subprocess.run(['true'])", "it did ["),
        ("time.sleep(60)", "TooLong"),
        ("[0 for _ in iter(int, 1)]", "TooLong"),
        ("bytearray(3 * 2**30)", "MemoryError"),
    ],
)
def test_the_watch_sees(does: str, seen: str, tmp_path: Path) -> None:
    for name in ("tmp", "home", "files"):
        (tmp_path / name).mkdir()
    script = f"""
import ctypes, os, subprocess, time
from pathlib import Path
from tests.hostile import watching
watching.SECONDS = 1
watch = watching.Watch(Path.cwd())
home, tmp = Path("home").absolute(), Path("tmp").absolute()
with watch.over():
    {does}
"""
    around = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=around, capture_output=True, text=True)
    assert done.returncode == 1 and seen in done.stderr, done.stderr
