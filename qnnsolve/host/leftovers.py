"""What a run must not leave behind: :func:`removed_afterwards`, :func:`scratch_folder`, and :func:`clear` for the rest.

A ``with`` block cleans up once; a second interrupt, while it does so, ends the cleaning. So whatever is to be removed
is listed here from before it exists, and what is still listed at the end is removed then.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from qnnsolve.errors import HostBackendError

__all__ = ["check_scratch", "check_space", "clear", "removed_afterwards", "scratch_folder", "torch_cache"]

PREFIX = "qnnsolve-"
SPARE = 2**24
"""Bytes of scratch space that a job takes beside its tensors."""
_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_LISTED: dict[object, Callable[[], object]] = {}


@contextlib.contextmanager
def removed_afterwards(remove: Callable[[], object]) -> Iterator[None]:
    """``remove`` is called when the context ends, or by :func:`clear`. It must not mind that there is nothing."""
    key = object()
    _LISTED[key] = remove
    try:
        yield
    finally:
        remove()
        _LISTED.pop(key, None)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in TMPDIR, gone afterwards.

    Raises:
        HostBackendError: it cannot be made there, or has a name that torch cannot take.
    """
    try:
        path = Path(tempfile.gettempdir(), PREFIX + secrets.token_hex(6))
        os.fspath(path).encode("utf-8")
    except OSError as error:
        raise HostBackendError(f"no folder for temporary files can be written: {error.strerror}; set TMPDIR") from error
    except UnicodeEncodeError as error:
        raise HostBackendError("the folder that TMPDIR names is no UTF-8; name another one") from error
    with removed_afterwards(functools.partial(shutil.rmtree, path, ignore_errors=True)):
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            raise HostBackendError(f"TMPDIR {path.parent} cannot be written: {error.strerror}") from error
        yield path


def check_scratch() -> None:
    """Make sure, before any work, that there can be a :func:`scratch_folder`.

    Raises:
        HostBackendError: as there.
    """
    with scratch_folder():
        pass


@contextlib.contextmanager
def torch_cache() -> Iterator[None]:
    """Inside, torch (2.13) caches in a folder that is gone afterwards, not in one that stays in TMPDIR."""
    if _CACHE in os.environ:
        yield
        return
    path = os.path.join(tempfile.gettempdir(), PREFIX + secrets.token_hex(6))  # noqa: PTH118  # it may be no UTF-8
    with removed_afterwards(functools.partial(shutil.rmtree, path, ignore_errors=True)):
        os.environ[_CACHE] = path
        try:
            yield
        finally:
            os.environ.pop(_CACHE, None)


def check_space(folder: Path, needed: int) -> None:
    """Make sure that ``needed`` bytes can be written there: torch (2.13) aborts the process where a disk is full.

    Raises:
        HostBackendError: they cannot.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        sizes = f"{free / 2**20:,.0f} MB are free, {(needed + SPARE) / 2**20:,.0f} MB needed"
        raise HostBackendError(f"TMPDIR {folder.parent} is full: {sizes}")


def clear() -> None:
    """Remove all that is still listed, what came last first."""
    while _LISTED:
        _, remove = _LISTED.popitem()
        with contextlib.suppress(OSError):
            remove()


atexit.register(clear)
