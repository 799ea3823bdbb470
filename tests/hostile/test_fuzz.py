"""A short run of the fuzzer: with a fixed seed, and with the day's."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.fuzz import fuzz


@pytest.fixture(autouse=True)
def _alarm_restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seed", [1, int(time.time()) // 86_400], ids=["fixed", "of the day"])
def test_mutated_files_are_read_or_refused(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert 40 < fuzz(seed, rounds=150) < 150
