"""An attribute of somebody else's, replaced for a while: :func:`patched`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["patched"]


@contextlib.contextmanager
def patched(owner: object, name: str, value: object) -> Iterator[None]:
    """Inside, ``owner.name`` is ``value``; afterwards it is what it was, or inherited or missing as before."""
    missing = object()
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
