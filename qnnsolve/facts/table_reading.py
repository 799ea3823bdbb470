"""Reads one facts file, and refuses what contradicts itself: :func:`parse_table`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import attrs

from qnnsolve.errors import FactsError, UnknownNameError
from qnnsolve.facts import backends
from qnnsolve.facts.forms import When
from qnnsolve.facts.table_types import (
    CODES,
    FORMAT,
    ROW_KEYS,
    Case,
    FixedPort,
    OpTable,
    TableRow,
    arch_list,
)
from qnnsolve.foreign import first_line, printable
from qnnsolve.host.inputs import plain_bytes
from qnnsolve.sources import Source, SourceKind

__all__ = ["load_table", "parse_table"]

_Of = TypeVar("_Of")
_KEYS = frozenset(["op", "backend", "format", "source", "inputs", "outputs", "repeats", "cases", "aten", "closed"])
_SCALE = re.compile(r"\d{1,400}(/\d{1,400}|\.\d{1,400})?([eE][+-]?\d{1,3})?")
"""A number as it is written; a fraction with a greater exponent would never be worked out to its end."""


def load_table(path: Path) -> OpTable:
    """Read one facts file.

    Raises:
        FactsError: the file is missing, not JSON, of another format, or contradicts itself.
    """
    try:
        text = plain_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(path, f"cannot be read: {first_line(error)}") from error
    return parse_table(text, path)


def parse_table(text: str, path: object) -> OpTable:
    """Read the text of a facts file; ``path`` is only for the message.

    Raises:
        FactsError: as :func:`load_table`.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise FactsError(path, f"is not JSON: {first_line(error)}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise FactsError(path, f"is not an operator table of format {FORMAT}")
    return _Reader(path).table(raw)


class _Reader:
    """Turns parsed JSON into a table, naming the file in every complaint."""

    def __init__(self, path: object) -> None:
        self._path = path
        self._known: frozenset[str] = frozenset()

    def _fail(self, what: str) -> FactsError:
        return FactsError(self._path, printable(what))

    def _get(self, raw: Mapping[str, Any], key: str, kind: type, where: str = "it") -> Any:
        value = raw.get(key)
        if not isinstance(value, kind):
            raise self._fail(f"{where} has no {kind.__name__} '{key}'")
        return value

    def _names(self, raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
        names = self._get(raw, key, list)
        if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise self._fail(f"'{key}' is not a list of different names")
        return tuple(names)

    def table(self, raw: dict[str, Any]) -> OpTable:
        unknown = set(raw) - _KEYS
        if unknown:
            raise self._fail(f"unknown keys {', '.join(sorted(unknown))}")
        inputs, outputs = self._names(raw, "inputs"), self._names(raw, "outputs")
        repeats = raw.get("repeats")
        if repeats is not None and repeats not in (*inputs, *outputs):
            raise self._fail(f"'repeats' names {repeats!r}, which is no port")
        cases = self._get(raw, "cases", dict)
        if not cases or not outputs:
            raise self._fail("it has no cases or no outputs")
        try:
            self._known = frozenset(backends.backend(self._get(raw, "backend", str)).archs)
        except UnknownNameError as error:
            raise self._fail(str(error)) from error
        source = self._get(raw, "source", dict)
        if not all(isinstance(value, str) for value in source.values()) or source.get("kind") != "measured":
            raise self._fail("its 'source' is not that of a measurement")
        return OpTable(
            op=self._get(raw, "op", str),
            backend=self._get(raw, "backend", str),
            inputs=inputs,
            outputs=outputs,
            repeats=repeats,
            cases=tuple(self._case(name, cases[name], inputs, outputs) for name in sorted(cases)),
            source=Source(SourceKind.MEASURED, _citation(source)),
            aten=self._names(raw, "aten") if "aten" in raw else (),
            measured=tuple(sorted(source.items())),
            closed=self._get(raw, "closed", bool) if "closed" in raw else False,
        )

    def _case(self, name: str, raw: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Case:
        where = f"case {name}"
        if not isinstance(raw, dict):
            raise self._fail(f"{where} is not an object")
        asked = self._get(raw, "asked", dict, where)
        if sorted(asked) != sorted((*inputs, *outputs)):
            raise self._fail(f"{where} asks {sorted(asked)}, not its ports")
        codes: list[tuple[str, ...]] = []
        for port in (*inputs, *outputs):
            listed = tuple(self._get(asked, port, str, where).split())
            strange = [code for code in listed if code not in CODES]
            if strange or not listed or len(set(listed)) != len(listed):
                raise self._fail(f"{where} asks {port} for {' '.join(strange) or 'nothing, or twice'}")
            codes.append(listed)
        ports = (*inputs, *outputs)
        notes = _Notes(
            self._notes(raw, "symmetric", lambda text: self._ports(text, ports), where),
            self._notes(raw, "same", lambda text: self._ports(text, ports), where),
            self._notes(raw, "fixed", lambda text: self._fixed(text, ports), where),
        )
        rows = {key: self._rows(raw.get(key, {}), codes, len(inputs), notes, f"{where}, {key}") for key in ROW_KEYS}
        named = {row.key for key in ROW_KEYS for row in rows[key]}
        for key in ("symmetric", "same", "fixed"):
            if set(raw.get(key, {})) - named:
                raise self._fail(f"{where} calls {key} what is in no row")
        case = Case(
            name,
            self._get(raw, "shapes", str, where),
            tuple(codes),
            rows["rows"],
            rows["wrong"],
            rows["validator_only"],
            rows["unstable"],
            axes=self._axes(raw.get("axes", {}), ports, where),
            when=self._when(raw.get("when", ""), name, where),
        )
        said = sum(len(row.archs) for key in ROW_KEYS for row in rows[key])
        if said != sum(map(len, case.verdicts.values())):
            raise self._fail(f"{where} says two things about one tuple")
        return case

    def _when(self, raw: Any, name: str, where: str) -> tuple[When, ...]:
        """The conditions of every class of the case, or none at all."""
        parts = raw.split(" | ") if isinstance(raw, str) and raw else []
        found = tuple(when for when in map(When.parse, parts) if when is not None)
        if not isinstance(raw, str) or len(found) != len(parts) or (parts and len(parts) != len(name.split("|"))):
            raise self._fail(f"{where}: 'when' says {raw!r}, which are not the conditions of its classes")
        return found

    def _notes(
        self, raw: Mapping[str, Any], key: str, parse: Callable[[str], _Of | None], where: str
    ) -> dict[str, _Of]:
        """What ``key`` says per tuple, parsed; ``parse`` answers None for what it cannot read."""
        given = raw.get(key, {})
        if not isinstance(given, dict):
            raise self._fail(f"{where}: '{key}' does not map tuples to ports")
        found: dict[str, _Of] = {}
        for tuple_, text in given.items():
            parsed = parse(text) if isinstance(text, str) else None
            if parsed is None:
                raise self._fail(f"{where}: '{key}' says {text!r} of '{tuple_}', which is not about its ports")
            found[tuple_] = parsed
        return found

    @staticmethod
    def _ports(text: str, ports: tuple[str, ...]) -> frozenset[str] | None:
        named = text.split()
        return frozenset(named) if named and set(named) <= set(ports) and named == sorted(set(named)) else None

    @staticmethod
    def _fixed(text: str, ports: tuple[str, ...]) -> tuple[FixedPort, ...] | None:
        found: list[FixedPort] = []
        for part in text.split(", "):
            try:
                port, scale, zero_point = part.split(" ")
                if _SCALE.fullmatch(scale) is None:
                    return None
                found.append(FixedPort(port, float(Fraction(scale)), int(zero_point)))
            except (ValueError, ZeroDivisionError, OverflowError):
                return None
        named = [fixed.port for fixed in found]
        known = set(named) <= set(ports) and named == sorted(set(named))
        return tuple(found) if known and all(fixed.scale > 0 for fixed in found) else None

    def _axes(self, raw: Any, ports: tuple[str, ...], where: str) -> tuple[tuple[str, int], ...]:
        if not isinstance(raw, dict) or any(
            port not in ports or type(axis) is not int or axis < 0 for port, axis in raw.items()
        ):
            raise self._fail(f"{where}: 'axes' does not map ports to axes")
        return tuple(sorted(raw.items()))

    def _rows(
        self, raw: Any, asked: list[tuple[str, ...]], inputs: int, notes: _Notes, where: str
    ) -> tuple[TableRow, ...]:
        if not isinstance(raw, dict):
            raise self._fail(f"{where} is not an object")
        rows: list[TableRow] = []
        for key in sorted(raw):
            left, arrow, right = key.partition(" > ")
            archs = frozenset(str(raw[key]).split())
            row = TableRow(
                tuple(left.split()),
                tuple(right.split()),
                archs,
                notes.symmetric.get(key, frozenset()),
                notes.same.get(key, frozenset()),
                notes.fixed.get(key, ()),
            )
            if not arrow or len(row.inputs) != inputs or len(row.codes) != len(asked) or row.key != key:
                raise self._fail(f"{where}: '{key}' is not a tuple over its ports")
            if any(code not in codes for code, codes in zip(row.codes, asked, strict=True)):
                raise self._fail(f"{where}: '{key}' was not asked")
            if not row.archs or not row.archs <= self._known or raw[key] != arch_list(row.archs):
                raise self._fail(f"{where}: '{key}' holds for {raw[key]!r}, not for archs of {arch_list(self._known)}")
            rows.append(row)
        return tuple(rows)


@attrs.frozen
class _Notes:
    """What a case says of its rows beside the archs, by tuple."""

    symmetric: Mapping[str, frozenset[str]]
    same: Mapping[str, frozenset[str]]
    fixed: Mapping[str, tuple[FixedPort, ...]]


def _citation(source: Mapping[str, str]) -> str:
    parts = [f"{key} {source[key]}" for key in ("qnn", "onnxruntime_qnn", "executorch") if key in source]
    return f"measured by {source.get('by', '?')} on {source.get('date', '?')}, {', '.join(parts)}"
