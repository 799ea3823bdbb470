"""What a run's stages took, in seconds and in memory."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from qnnsolve.host import stages as module
from qnnsolve.host.memory import Peak
from qnnsolve.host.stages import Stages


def _timed(*readings: float) -> SimpleNamespace:
    """A clock that shows these seconds in turn."""
    left = list(readings)
    return SimpleNamespace(perf_counter=lambda: left.pop(0))


def test_all_seconds_have_a_name() -> None:
    with mock.patch.object(module, "time", _timed(0.0, 1.0, 3.0, 3.5, 10.5, 12.0)):
        stages = Stages()
        with stages("export"):
            pass
        with stages("prepare"):
            pass
        found = stages.whole("prepare", (("passes", 2.0), ("solve", 3.0), ("explain", 0.25)))
    # Of 12 seconds: 2 to export, 7 to prepare (5 of them ours), 0.25 to explain, which no stage covers.
    assert found == (
        ("export", 2.0),
        ("passes", 2.0),
        ("solve", 3.0),
        ("explain", 0.25),
        ("prepare", 2.0),
        ("other", 2.75),
    )


def test_a_stage_with_a_part_of_its_name_is_what_is_left_of_it() -> None:
    with mock.patch.object(module, "time", _timed(0.0, 0.0, 4.0, 4.0)):
        stages = Stages()
        with stages("solve"):
            pass
        found = stages.whole("solve", (("facts", 1.0), ("solve", 2.0)))
    assert found == (("facts", 1.0), ("solve", 2.0), ("prepare", 1.0), ("other", 0.0))


def test_a_part_of_another_stage_does_not_count_twice() -> None:
    with mock.patch.object(module, "time", _timed(0.0, 0.0, 5.0, 6.0)):
        stages = Stages()
        with stages("verify"):
            pass
        stages.seconds.append(("emulator", 4.0))
        found = stages.whole("prepare", ())
    assert found == (("verify", 5.0), ("other", 1.0), ("emulator", 4.0))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing counts it there")
def test_the_peak_by_the_end_of_a_stage() -> None:
    stages, before = Stages(), Peak().own
    with stages("large"):
        assert len(bytearray(b"x") * ((before + 200) << 20)) == (before + 200) << 20
    with stages("small"):
        pass
    (_, large, _), (_, small, _) = stages.peaks
    assert before + 200 <= large <= small


def test_a_larger_child_is_seen() -> None:
    peak = Peak()
    code = f"len(bytearray(b'x') * {(peak.own + 300) << 20})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert peak.children > peak.own + 200
    assert Peak().children == 0
