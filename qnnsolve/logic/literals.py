"""Words, numbers and texts as questions write them."""

from __future__ import annotations

import json
import math
import re

from qnnsolve.logic.terms import Value

__all__ = ["ESCAPES", "is_variable", "number", "text_of"]

ESCAPES = {"number": "", "string": r" (a backslash stands before \, a quote, n, t, r or uXXXX)"}


def is_variable(word: str) -> bool:
    """Whether a word is a variable."""
    return word[0] == "_" or word[0].isupper()


def number(text: str) -> Value | None:
    """The number that is written; None where it is none."""
    if len(text) > 40:
        return None
    if text.lstrip("-").isdecimal():
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


def text_of(text: str) -> str | None:
    """The text between quotes; None where an escape means nothing."""
    inner = text[1:-1]
    if text[0] == "'":
        inner = re.sub(r"""\\.|\"""", lambda at: {"\\'": "'", '"': '\\"'}.get(at[0], at[0]), inner, flags=re.DOTALL)
    try:
        value: str = json.loads(f'"{inner}"', strict=False)
    except ValueError:
        return None
    return value
