"""Signals at moments that are drawn anew each day, over whole exports with the real compiler and emulator."""

from __future__ import annotations

import random
import time
from pathlib import Path

import attrs
import pytest

from tests.hostile.signals import Exports, Signals

pytestmark = pytest.mark.slow


def test_whenever_a_signal_comes(tmp_path: Path) -> None:
    exports, rng = Exports(tmp_path), random.Random(time.strftime("%Y%m%d"))
    moments = [Signals.drawn(rng, exports.duration) for _ in range(5)]
    moments[0] = attrs.evolve(moments[0], after=exports.duration / 4)  # the others may all come too late
    found = [exports.interrupted(each) for each in moments]
    assert "the old program" in found[0], found
