"""A user's own libraries are loaded for a trial where they can do no harm: :func:`try_in_child`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnnsolve.errors import HostBackendError
from qnnsolve.foreign import printable
from qnnsolve.host import child
from qnnsolve.host.leftovers import scratch_folder

__all__ = ["try_in_child", "try_libraries"]

CHILD = "qnnsolve.host.libraries_child"
TIMEOUT = 30.0
"""Seconds that loading them may take."""


def try_libraries(folder: Path) -> None:
    """Load the HTP libraries in ``folder`` in a process of their own, once.

    Raises:
        HostBackendError: they end or stop the process that loads them, or are no HTP libraries; says which one did.
    """
    if (fault := _fault_of(folder)) is not None:
        raise HostBackendError(fault)


@functools.cache
def _fault_of(folder: Path) -> str | None:
    try:
        try_in_child(CHILD, {"folder": str(folder)}, f"a trial of the HTP libraries in {folder}")
    except HostBackendError as error:
        return str(error)
    return None


def try_in_child(module: str, job: Mapping[str, Any], what: str) -> child.Reply:
    """What ``module`` answers, a child that loads somebody's libraries and reports what it does next.

    Raises:
        HostBackendError: it ended, was stopped after :data:`TIMEOUT`, or an error was raised; says during what.
    """
    doing = [""]

    def unheard(stage: str, _: int, __: int | None) -> None:
        doing.append(f", while {printable(stage)}")

    with scratch_folder() as scratch:
        try:
            return child.run(module, job, scratch, what=what, timeout=TIMEOUT, progress=unheard)
        except HostBackendError as error:
            raise HostBackendError(f"{error}{doing[-1]}") from error
