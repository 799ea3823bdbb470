"""Children that ask the backend, started again where it kills them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from qnnsolve.errors import HostBackendError
from qnnsolve.probe.journal import bury

__all__ = ["MODES", "Child", "run_child"]

MODES = ("quantized", "fp16")
"""The two precisions that ExecuTorch compiles a graph for."""


@attrs.frozen
class Child:
    """How to start a child and when to give it up: seconds without a new answer, at first and later."""

    command: tuple[str, ...] = (sys.executable, "-m", "qnnsolve.probe.child")
    start_seconds: float = 300.0
    silence_seconds: float = 60.0


def run_child(child: Child, journals: Mapping[Path, str], what: str, tell: Callable[[], None]) -> int:
    """Run children until one ends well; return how many died. ``journals`` maps their journals to digests.

    ``tell`` is called about once a second.

    Raises:
        HostBackendError: a child died before it asked anything (another one would, too), or raised.
    """
    deaths = 0
    while True:
        size = _size(list(journals))
        with subprocess.Popen(child.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            if _wait(process, list(journals), size, child, tell):
                return deaths
            said = process.stderr.read() if process.stderr else ""
        last = said.strip().splitlines()[-1:] or ["no message"]
        if process.returncode == 1:  # an exception of ours, not the compiler's doing
            raise HostBackendError(f"{what} failed: {last[0]}")
        deaths += 1
        buried = any(bury(path, digest) for path, digest in journals.items())
        if not buried and _size(list(journals)) == size:  # one that answered and died later is started again
            raise HostBackendError(f"{what} died before it asked anything: {last[0]}")


def _wait(
    process: subprocess.Popen[str], paths: Sequence[Path], size: int, child: Child, tell: Callable[[], None]
) -> bool:
    """Whether the process ends well; one that falls silent is killed. The journals hold ``size`` bytes at its start."""
    since, allowed = time.monotonic(), child.start_seconds
    while True:
        try:
            return process.wait(0.5) == 0
        except subprocess.TimeoutExpired:
            now = _size(paths)
        finally:
            tell()
        if now != size:
            size, since, allowed = now, time.monotonic(), child.silence_seconds
        elif time.monotonic() - since > allowed:
            process.kill()
            process.wait()
            return False


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.exists())
