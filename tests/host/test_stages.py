"""Stages are told from start to end, and timed without gaps."""

from __future__ import annotations

import pytest

from qnnsolve.host.stages import Stages


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the clock shows, in seconds."""
    shown = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: shown[0])
    return shown


def test_a_stage_is_told_and_timed(now: list[float]) -> None:
    told: list[tuple[str, int, int | None]] = []
    stages = Stages(lambda *step: told.append(step))
    with stages("verify", 2):
        stages.step("verify", 1, 2)
        now[0] = 3.0
    assert told == [("verify", 0, 2), ("verify", 1, 2), ("verify", 2, 2)]
    assert stages.laps == (("verify", 3.0),)


def test_laps_follow_one_another(now: list[float]) -> None:
    stages = Stages()
    for at, name in ((1.0, "facts"), (1.5, "rules"), (4.0, "solve")):
        now[0] = at
        stages.lap(name)
    assert stages.laps == (("facts", 1.0), ("rules", 0.5), ("solve", 2.5))
