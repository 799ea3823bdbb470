"""Work in a child: every way to end comes back as an answer or as one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.host import child
from qnnsolve.host.logs import errors_in

ROGUE = "tests.rogue_child"


def run(folder: Path, rogue: str, timeout: float = 60.0, progress: Any = None, **job: Any) -> child.Reply:
    return child.run(ROGUE, {"rogue": rogue, **job}, folder, what="the compiler", timeout=timeout, progress=progress)


def test_the_answer_comes_back_with_progress_and_without_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps: list[tuple[str, int, int | None]] = []
    answer = run(tmp_path, "", progress=lambda *step: steps.append(step))
    assert answer["delegates"] == 1
    assert steps == [("lower", 3, 4)]
    assert capfd.readouterr() == ("", "")
    assert "chatter" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("rogue", "message"),
    [
        ("abort", "the compiler died of SIGABRT; its last error: the weights are too heavy"),
        ("exit", "the compiler ended with exit code 7; its last error: the weights are too heavy"),
        (
            "raise",
            "the compiler failed: ValueError: first line second line; its last error: the weights are too heavy",
        ),
        ("backend", "no libraries"),
    ],
)
def test_a_failure_is_one_line(tmp_path: Path, rogue: str, message: str) -> None:
    with pytest.raises(HostBackendError) as caught:
        run(tmp_path, rogue)
    assert str(caught.value) == message


def test_a_file_that_cannot_be_written_is_the_users_affair(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="disk full"):
        run(tmp_path, "usage")


def test_a_child_that_hangs_is_stopped(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(HostBackendError, match="did not finish within 5 s"):
        run(tmp_path, "hang", timeout=5.0, progress=lambda _, pid, __: pids.append(pid))
    assert_gone(pids)


def test_ctrl_c_ends_the_child(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupted(_: str, pid: int, __: int | None) -> None:
        pids.append(pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "hang", progress=interrupted)
    assert_gone(pids)


def assert_gone(pids: list[int]) -> None:
    assert len(pids) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_child_imports_what_the_parent_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("VALUE = 41\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert run(tmp_path, "import", module="only_here") == {"value": 41}


def test_errors_in_a_log_are_those_of_qnn_each_once_without_the_meaningless() -> None:
    log = """\
[INFO] [Qnn ExecuTorch]: create QNN Logger with log_level 1
[ERROR] [Qnn ExecuTorch]:  <E> unexpected GraphHtpSettings option 66

[ERROR] [Qnn ExecuTorch]:  <E> has incorrect Value 68, expected >= 73.
[ERROR] [Qnn ExecuTorch]:  <E> has incorrect Value 68, expected >= 73.
[ERROR] [Qnn ExecuTorch]: Fail to compile QNN graph
Traceback: [ERROR] [Qnn ExecuTorch]: quoted
"""
    assert errors_in(log) == ("has incorrect Value 68, expected >= 73.", "Fail to compile QNN graph")
