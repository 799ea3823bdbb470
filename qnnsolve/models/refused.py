"""What a file is refused for: :class:`Refused`."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(ValueError):
    """A file is not read, and why. The text continues a sentence whose subject is the file: ``is encrypted``."""
