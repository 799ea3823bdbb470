"""The time of a whole command: :func:`from_the_start`."""

from __future__ import annotations

import argparse
import time
from typing import Any, TypeVar

import attrs

from qnnsolve.host.stages import INSIDE

__all__ = ["from_the_start"]

R = TypeVar("R", bound=Any)


def from_the_start(result: R, arguments: argparse.Namespace) -> R:
    """``result``, whose timings begin where the command did.

    ``load`` is what came before the first stage: the model's own code and its imports, and the samples.
    """
    own = sum(seconds for stage, seconds in result.timings if stage not in INSIDE)
    before = max(0.0, time.perf_counter() - arguments.began - own)
    timed: R = attrs.evolve(result, timings=(("load", before), *result.timings))
    return timed
