"""Files that are read whole: :func:`plain_bytes`."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["plain_bytes"]

LARGEST = 64 * 2**20
"""Bytes; what people write by hand, and what is made of a model's nodes, has a few."""


def plain_bytes(path: Path) -> bytes:
    """What is in the file at ``path``: not in a pipe, which may never say anything, or a device without end.

    Raises:
        OSError: it is missing, cannot be read, is no plain file, or holds more than :data:`LARGEST`.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "no file has such a name")
    if path.exists() and not path.is_dir():
        if not path.is_file():
            raise OSError(errno.EINVAL, "it is no plain file")
        if path.stat().st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST // 2**20} MB")
    return path.read_bytes()
