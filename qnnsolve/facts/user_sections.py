"""The form of a user's facts file: its sections, their keys, and the type of each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import attrs

from qnnsolve.errors import FactsError, suggestion
from qnnsolve.facts.toml_lines import Position

__all__ = ["UserFile"]

FORMAT = 1
_PLACE = {"archs": list, "socs": list, "why": str}
_SECTIONS: Mapping[str, Mapping[str, type]] = {
    "soc": {"name": str, "htp_arch": str, "like": str, "vtcm_mb": int},
    "op": {"name": str, "inputs": list, "outputs": list, "repeats": str, "why": str},
    "allow": {"op": str, "rows": list, "symmetric": list, "case": str, **_PLACE},
    "forbid": {"op": str, "rows": list, "port": str, "codes": list, "case": str, **_PLACE},
    "cpu": {"op": str, **_PLACE},
    "fixed": {"op": str, "port": str, "code": str, "scale": float, "zero_point": int, "free": bool, **_PLACE},
    "same": {"op": str, "ports": list, "holds": bool, **_PLACE},
}
_NEEDED = {
    "soc": ("name", "htp_arch"),
    "op": ("name", "inputs", "outputs", "why"),
    "allow": ("op", "rows", "why"),
    "forbid": ("op", "why"),
    "cpu": ("op", "why"),
    "fixed": ("op", "port", "code", "why"),
    "same": ("op", "ports", "why"),
}
_WORDS = {list: "a list of strings", str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


@attrs.frozen(eq=False)
class UserFile:
    """A file as TOML has it, and the line of every value."""

    path: Path
    raw: Mapping[str, Any]
    lines: Mapping[Position, int]

    def line(self, where: Position) -> int:
        """The line of ``where``, from 1."""
        return self.lines.get(where, 1)

    def check_names(self) -> None:
        """Raise FactsError for a file of another format, or with an unknown section."""
        if self.raw.get("format") != FORMAT:
            self.fail(("format",), f"needs format = {FORMAT}")
        for name in self.raw:
            if name not in (*_SECTIONS, "format"):
                self.unknown((name,), "section", name, _SECTIONS)

    def fail(self, where: Position, what: str) -> NoReturn:
        """Raise FactsError with the line of ``where``, or of what it stands in."""
        while where and where not in self.lines:
            where = where[:-1]
        raise FactsError(self.path, what, self.lines.get(where, 1))

    def unknown(self, where: Position, kind: str, name: str, known: Iterable[str], hint: str = "") -> NoReturn:
        """Raise FactsError for a name that is none of ``known``, with the nearest."""
        self.fail(where, f"unknown {kind} '{name}': {suggestion(name, known)}{hint}")

    def entries(self, section: str) -> Iterator[tuple[Position, Mapping[str, Any]]]:
        """The tables of a section, each with known keys of the right types, and none missing."""
        found = self.raw.get(section, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            self.fail((section,), f"'{section}' is not a list of tables: write [[{section}]]")
        for index, entry in enumerate(found):
            at: Position = (section, index)
            for key, value in entry.items():
                if key not in _SECTIONS[section]:
                    self.unknown((*at, key), f"key in [[{section}]]", key, _SECTIONS[section])
                self._check((*at, key), key, value, _SECTIONS[section][key])
            for key in _NEEDED[section]:
                if key not in entry:
                    self.fail(at, f"[[{section}]] needs '{key}'")
            yield at, entry

    def _check(self, where: Position, key: str, value: Any, kind: type) -> None:
        fits = isinstance(value, (int, float) if kind is float else kind) and isinstance(value, bool) == (kind is bool)
        if not fits or (kind is str and not value.strip()):
            self.fail(where, f"'{key}' must be {_WORDS[kind]}")
        if kind is list:
            for index, element in enumerate(value):
                if not isinstance(element, str):
                    self.fail((*where, index), f"'{key}' must be {_WORDS[kind]}")
            if not value or len(set(value)) != len(value):
                self.fail(where, f"'{key}' is empty or repeats itself")
