"""A user's own libraries are loaded for a trial where they can do no harm: :func:`try_in_child`."""

from __future__ import annotations

import functools
from pathlib import Path

from qnnsolve.errors import HostBackendError
from qnnsolve.host import child
from qnnsolve.host.leftovers import scratch_folder

__all__ = ["try_in_child"]

CHILD = "qnnsolve.host.loading"
TIMEOUT = 60.0
"""Seconds that loading them may take."""


@functools.cache
def try_in_child(folder: Path) -> None:
    """Load the HTP libraries in ``folder`` in a process of their own, once.

    Raises:
        HostBackendError: they end or stop the process that loads them, or are no HTP libraries; says which one did.
    """
    doing = [""]

    def told(stage: str, _: int, __: int | None) -> None:
        doing.append(f", while {stage}")

    what = f"a trial of the HTP libraries in {folder}"
    with scratch_folder() as scratch:
        try:
            child.run(CHILD, {"folder": str(folder)}, scratch, what=what, timeout=TIMEOUT, progress=told)
        except HostBackendError as error:
            raise HostBackendError(f"{error}{doing[-1]}") from error
