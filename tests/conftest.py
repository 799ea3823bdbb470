"""What holds for all tests."""

from __future__ import annotations

import gc
import os

# A program that an earlier run compiled would hide what this one does wrong.
os.environ["QNNSOLVE_CACHE"] = ""

from qnnsolve.host.collecting import collect_seldom


def pytest_collection_finish() -> None:
    """What was imported stays: half a million objects that nobody has to look at again."""
    gc.collect()
    gc.freeze()
    collect_seldom()
