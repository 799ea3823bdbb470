"""Regular expressions of users, whose search ends: a recipe comes from anywhere, and some patterns would never end."""

from __future__ import annotations

import functools
from typing import Any

from qnnsolve.errors import UsageError

__all__ = ["compiled", "found"]

SECONDS = 1.0
"""So long one search may take; those that people write take microseconds."""


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """``pattern``, ready to search with.

    Raises:
        ValueError: it is no regular expression, and why.
    """
    import regex

    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def found(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``.

    Raises:
        UsageError: the search takes too long.
    """
    try:
        return compiled(pattern).search(text, timeout=SECONDS) is not None
    except TimeoutError as error:
        raise UsageError(f"re:{pattern}: the search in '{text}' takes too long; write a simpler pattern") from error
