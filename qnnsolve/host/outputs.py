"""Files that are written: they never overwrite what is read, and come into being whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from qnnsolve.errors import UsageError
from qnnsolve.host.leftovers import removed_afterwards

__all__ = ["put", "spare_inputs", "unfinished"]


@contextlib.contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A name beside ``target`` for what is not done yet; it is gone afterwards, whatever happens.

    The name is short, whatever that of ``target`` is.
    """
    partial = target.with_name(f".qnnsolve-{secrets.token_hex(6)}{target.suffix[:16]}")
    with removed_afterwards(lambda: partial.unlink(missing_ok=True)):
        yield partial


def put(partial: Path, target: Path) -> None:
    """Put a finished file in the place of ``target``, in one step, with the mode that one had.

    Raises:
        UsageError: it cannot be put there.
    """
    try:
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    except OSError as error:
        raise UsageError(f"output {target} cannot be written: {error.strerror}") from error


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
