"""Signals at moments that are drawn anew each day, over whole exports with the real compiler and emulator."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.hostile.signals import Exports, Signals

pytestmark = pytest.mark.slow


def test_whenever_a_signal_comes(tmp_path: Path) -> None:
    exports, rng = Exports(tmp_path), random.Random(time.strftime("%Y%m%d"))
    found = [exports.interrupted(Signals.drawn(rng, exports.duration)) for _ in range(8)]
    assert any("the old program" in each for each in found), found
