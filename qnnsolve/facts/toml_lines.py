"""On which line of a TOML text each key and array element stands, which :mod:`tomllib` does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Position", "lines_of"]

Position = tuple[str | int, ...]
"""A way into the parsed document: ``("forbid", 0, "rows", 1)`` is the second row of the first ``[[forbid]]``."""

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]")
_ASSIGNED = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")
_TOKEN = re.compile(
    r'"""(?s:.*?)(?<!\\)"""|'
    + r"'''(?s:.*?)'''|"
    + r'"(?:[^"\\\n]|\\.)*"|'
    + r"'[^'\n]*'|#[^\n]*|[\[\]{},\n]|[^\s\[\]{},#\"']+"
)


def lines_of(text: str) -> Mapping[Position, int]:
    """Lines, counted from 1, of every table header, key and element of an array in a *valid* TOML ``text``."""
    found: dict[Position, int] = {}
    counts: dict[str, int] = {}
    prefix: Position = ()
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if header := _HEADER.match(text, at):
            line += text.count("\n", at, header.start(1))
            parts = _parts(header.group(2))
            if header.group(1) == "[[":
                name = ".".join(parts)
                prefix = (*parts, counts.setdefault(name, 0))
                counts[name] += 1
                found.setdefault(parts, line)
            else:
                prefix = parts
            found.setdefault(prefix, line)
            at = _end_of_line(text, header.end())
        elif key := _ASSIGNED.match(text, at):
            line += text.count("\n", at, key.start(1))
            where = (*prefix, *_parts(key.group(1)))
            found.setdefault(where, line)
            at = _value(text, key.end(), where, found)
        else:
            at = _end_of_line(text, at)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _value(text: str, at: int, where: Position, found: dict[Position, int]) -> int:
    """Note the elements of an array that starts here; the position behind the value and its line."""
    depth = element = 0
    fresh = array = text[at:].lstrip(" \t").startswith("[")
    for token in _TOKEN.finditer(text, at):
        match token.group()[0]:
            case "\n" if depth == 0:
                return token.end()
            case "\n" | "#":
                continue
            case "]" | "}":
                depth -= 1
                continue
            case "," if depth == 1:
                element, fresh = element + 1, array
                continue
            case ",":
                continue
        if depth == 1 and fresh:
            found.setdefault((*where, element), text.count("\n", 0, token.start()) + 1)
            fresh = False
        if token.group()[0] in "[{":
            depth += 1
    return len(text)
