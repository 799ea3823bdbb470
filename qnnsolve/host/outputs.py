"""Files that are written: they never overwrite what is read, and come into being whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path

from qnnsolve.errors import UsageError
from qnnsolve.foreign import printable
from qnnsolve.host.leftovers import removed_afterwards

__all__ = ["check_writable", "folder_for", "put", "spare_inputs", "unfinished"]


def check_writable(out: str | PathLike[str], what: str = "output") -> Path:
    """The file that ``out`` means (links followed), where a file can be written. Nothing there is changed.

    Args:
        out: where will be written.
        what: what the file is, for the error.

    Raises:
        UsageError: the folder is missing or cannot be written to, or ``out`` is no plain, writable file.
    """
    called = printable(os.fspath(out))
    try:
        target = Path(os.path.realpath(out))
        if target.exists() and not target.is_file():
            raise UsageError(f"{what} {called} is {'a folder' if target.is_dir() else 'no plain file'}")
        if not target.parent.is_dir():
            raise UsageError(f"{what} {called}: the folder {printable(str(target.parent))} does not exist")
        if target.exists() and not os.access(target, os.W_OK):
            raise UsageError(f"{what} {called} is write-protected")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except (OSError, ValueError) as error:  # a name that is too long, or holds what no name can
        raise UsageError(f"{what} {called} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return target


def folder_for(path: str | PathLike[str], what: str) -> Path:
    """The folder ``path``, which exists or can be made. Nothing is made.

    Raises:
        UsageError: it is a file, its own folder is missing, or it cannot be written to.
    """
    called = printable(os.fspath(path))
    try:
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{what} {called}: it is a file, not a folder")
        if not folder.parent.is_dir():
            raise UsageError(f"{what} {called}: there is no folder {printable(str(folder.parent))}")
        with tempfile.TemporaryFile(dir=folder if folder.exists() else folder.parent):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {called} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return folder


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
