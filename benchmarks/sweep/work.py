"""What a worker process does: forms by the library, a pack by ``qnnsolve.export``, the command line."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

from benchmarks.sweep.state import code_state

__all__ = ["commanded", "exported", "start", "through_library"]


def start() -> None:
    """Once per worker: one thread of torch's, and nothing printed but what the driver prints."""
    os.environ["QNN_SDK_ROOT"] = os.environ.get("QNN_SDK_ROOT", "")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)


def through_library(names: Sequence[str], soc: str, precision: str) -> list[dict[str, Any]]:
    """The records of the forms called ``names``, by the library path."""
    from benchmarks.sweep.forms import all_forms
    from benchmarks.sweep.library import by_library

    found = []
    for name in names:
        begun = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            made = by_library(all_forms()[name], soc, precision)
        found.append(_keyed("library", soc, precision, name) | made | {"cpu seconds": _since(begun)})
    return found


def exported(names: Sequence[str], soc: str, precision: str) -> list[dict[str, Any]]:
    """The records of the forms called ``names``, exported as one."""
    from benchmarks.sweep.forms import all_forms
    from benchmarks.sweep.pack import by_export

    begun = _with_children()
    forms = [all_forms()[name] for name in names]
    found = [_keyed("export", soc, precision, name) | made for name, made in by_export(forms, soc, precision)]
    each = round((_with_children() - begun) / len(names), 2)
    return [record | {"cpu seconds": each} for record in found]


def commanded(names: Sequence[str], soc: str, precision: str, door: str) -> list[dict[str, Any]]:
    """The records of the forms called ``names``, as one by the command line: of a ``module`` or an ``archive``."""
    from benchmarks.sweep.command import by_command
    from benchmarks.sweep.forms import all_forms

    begun = _with_children()
    forms = [all_forms()[name] for name in names]
    made = by_command(forms, soc, precision, archive=door == "archive")
    found = [_keyed(door, soc, precision, name) | each for name, each in made]
    each = round((_with_children() - begun) / len(names), 2)
    return [record | {"cpu seconds": each} for record in found]


def _keyed(path: str, soc: str, precision: str, name: str) -> dict[str, Any]:
    return {"path": path, "soc": soc, "precision": precision, "form": name, "code": code_state()}


def _since(begun: float) -> float:
    return round(time.process_time() - begun, 2)


def _with_children() -> float:
    """CPU seconds of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
