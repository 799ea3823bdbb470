"""What a file is refused for: :class:`Refused`."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(ValueError):
    """A file says or holds what is not read; the text continues a sentence whose subject is the file."""
