"""An output never overwrites an input: :func:`spare_inputs`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from qnnsolve.errors import UsageError

__all__ = ["spare_inputs"]


def spare_inputs(
    option: str, out: str | PathLike[str], inputs: Iterable[tuple[str, str | PathLike[str] | None]]
) -> None:
    """Refuse an output that is one of the files that are read, under whatever name: through links, too.

    Args:
        option: what names the output, like ``--out`` or ``--save``.
        out: where will be written.
        inputs: what is read: what it is for (``MODEL``, ``--facts``) and its path, None where it is no file.

    Raises:
        UsageError: writing ``out`` would overwrite an input.
    """
    for what, path in inputs:
        if path is not None and _same(Path(out), Path(path)):
            alias = "" if os.fspath(out) == os.fspath(path) else f" ({path})"
            raise UsageError(f"{option} {out} is {what}{alias}, which would be overwritten; name another file")


def _same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them does not exist
        return False
