"""How often Python looks for garbage in a process of our own: :func:`collect_seldom`."""

from __future__ import annotations

import gc

__all__ = ["collect_seldom"]


def collect_seldom() -> None:
    """Look for garbage after 50,000 new objects instead of 700, for the life of this process.

    Importing torch and ExecuTorch makes half a million objects that stay, and a look at all of them takes 0.2 s. Not
    for a library: whoever calls one decides that for themselves.
    """
    gc.set_threshold(50_000, 20)
