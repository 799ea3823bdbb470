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
_SPACE, _ARRAY = re.compile(r"\s*"), re.compile(r"[ \t]*\[")
_TOKEN = re.compile(
    r'"""(?s:.*?)(?<!\\)"""|'
    + r"'''(?s:.*?)'''|"
    + r'"(?:[^"\\\n]|\\.)*"|'
    + r"'[^'\n]*'|#[^\n]*|[\[\]{},\n]|[^\s\[\]{},#\"']+"
)


class _Lines:
    """Line numbers of places that come one after the other; each newline is counted once."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def at(self, place: int) -> int:
        self._line += self._text.count("\n", self._at, place)
        self._at = place
        return self._line


def lines_of(text: str) -> Mapping[Position, int]:
    """Lines, counted from 1, of every table header, key and element of an array in a *valid* TOML ``text``."""
    found: dict[Position, int] = {}
    counts: dict[str, int] = {}
    prefix: Position = ()
    at, lines = 0, _Lines(text)
    while (at := _SPACE.match(text, at).end()) < len(text):  # type: ignore[union-attr]  # it may be empty
        if header := _HEADER.match(text, at):
            line = lines.at(header.start(1))
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
            where = (*prefix, *_parts(key.group(1)))
            found.setdefault(where, lines.at(key.start(1)))
            at = _value(text, key.end(), where, found, lines)
        else:
            at = _end_of_line(text, at)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _value(text: str, at: int, where: Position, found: dict[Position, int], lines: _Lines) -> int:
    """Note the elements of an array that starts here; the position behind the value and its line."""
    depth = element = 0
    fresh = array = _ARRAY.match(text, at) is not None
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
            found.setdefault((*where, element), lines.at(token.start()))
            fresh = False
        if token.group()[0] in "[{":
            depth += 1
    return len(text)
