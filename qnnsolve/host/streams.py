"""Descriptors 1 and 2, for what native libraries print there behind Python's back.

C buffers what it prints to a pipe or a file, and writes it when the process ends. Whoever redirects a descriptor has to
empty that buffer first. Otherwise the text comes out after all, behind the report: QNN 2.51 prints a greeting when it
is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

__all__ = ["flush_native", "silence_libraries", "unheard"]


def flush_native() -> None:
    """Write out what C code has printed so far. Nothing on Windows, where the libraries do not exist."""
    if sys.platform != "win32":
        ctypes.CDLL(None).fflush(None)


def silence_libraries() -> None:
    """From now on descriptors 1 and 2 lead nowhere; what Python writes to ``sys.stderr`` still reaches the parent."""
    sys.stderr = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Inside, descriptors 1 and 2 lead nowhere."""
    flush_native()
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in kept:
            os.dup2(nowhere, descriptor)
        yield
    finally:
        flush_native()
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nowhere)
