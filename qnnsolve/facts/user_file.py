"""Reads a user's facts file (TOML); every complaint names the line, and the nearest name where one is unknown."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from qnnsolve.errors import FactsError, nearest
from qnnsolve.facts import backends
from qnnsolve.facts.accepted import Codes
from qnnsolve.facts.socs import Soc, soc, socs
from qnnsolve.facts.tables import CODES, OpTable, shipped_tables
from qnnsolve.facts.toml_lines import Position, lines_of
from qnnsolve.facts.user import NO_USER_FACTS, Allowed, Entry, FactScope, FixedBy, Forbidden, NewOp, SharedBy, UserFacts
from qnnsolve.facts.user_sections import UserFile
from qnnsolve.foreign import first_line
from qnnsolve.host.inputs import plain_bytes
from qnnsolve.sources import Source, SourceKind

__all__ = ["read_user_facts"]

_RANGES = {"u8": (0, 255), "s8": (-128, 127), "u16": (0, 65535), "s16": (-32768, 32767)}


def read_user_facts(paths: Sequence[str | os.PathLike[str]], backend: str = "htp") -> UserFacts:
    """The facts of these files together; a later file may build on the SoCs and operators of an earlier one.

    Raises:
        FactsError: a file cannot be read, is not TOML, or says what cannot be; with the line.
        UnknownNameError: there is no such backend.
    """
    facts = NO_USER_FACTS
    for path in map(Path, paths):
        try:
            text = plain_bytes(path).decode("utf-8").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError) as error:
            missing = isinstance(error, FileNotFoundError)
            near = nearest(path.name, (file.name for file in path.parent.glob("*.toml"))) if missing else ()
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise FactsError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}{hint}") from error
        try:
            raw = tomllib.loads(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise FactsError(path, f"not TOML: {first_line(error)}") from error
        facts = _Reader(UserFile(path, raw, lines_of(text)), backend, facts).read()
    return facts


@attrs.frozen(eq=False)
class _Reader:
    file: UserFile
    backend: str
    before: UserFacts

    def read(self) -> UserFacts:
        self.file.check_names()
        more = [self._soc(at, entry) for at, entry in self.file.entries("soc")]
        facts = attrs.evolve(self.before, socs=(*self.before.socs, *more), paths=(*self.before.paths, self.file.path))
        ops = {**facts.ops}
        for at, entry in self.file.entries("op"):
            new = self._op(at, entry, ops)
            ops[new.name] = new
        facts = attrs.evolve(facts, ops=ops)
        reader = attrs.evolve(self, before=facts)
        readers = {
            "allow": reader._allow, "forbid": reader._forbid, "cpu": reader._cpu,
            "fixed": reader._fixed, "same": reader._same,
        }  # fmt: skip
        entries = (readers[section](at, entry) for section in readers for at, entry in reader.file.entries(section))
        return attrs.evolve(facts, entries=(*facts.entries, *entries))

    def _source(self, at: Position, entry: Mapping[str, Any]) -> Source:
        return Source(SourceKind.USER, f"{self.file.path}:{self.file.line(at)}: {entry['why']}")

    def _soc(self, at: Position, entry: Mapping[str, Any]) -> Soc:
        known = (*self.before.socs, *socs())
        if entry["name"].lower() in [each.name.lower() for each in known]:
            self.file.fail((*at, "name"), f"'{entry['name']}' is known already")
        archs = backends.backend("htp").archs
        if entry["htp_arch"] not in archs:
            self.file.unknown((*at, "htp_arch"), "HTP arch", entry["htp_arch"], archs)
        like = entry.get("like", "")
        if like and like not in [each.name for each in socs()]:
            self.file.unknown((*at, "like"), "SoC", like, (each.name for each in socs()))
        model = soc(like) if like else None
        if model is not None and model.htp_arch != entry["htp_arch"]:
            self.file.fail((*at, "like"), f"{like} has HTP arch {model.htp_arch}, not {entry['htp_arch']}")
        vtcm = entry.get("vtcm_mb", 0 if model is None else model.vtcm_mb)
        if vtcm < 0:
            self.file.fail((*at, "vtcm_mb"), "'vtcm_mb' must not be negative")
        lpai = None if model is None else model.lpai_arch
        return Soc(entry["name"], entry["htp_arch"], vtcm, 0, lpai, like)

    def _op(self, at: Position, entry: Mapping[str, Any], ops: Mapping[str, NewOp]) -> NewOp:
        name = entry["name"]
        if name in ops or name in self._tables:
            self.file.fail((*at, "name"), f"'{name}' is known already; [[allow]] adds rows to it")
        ports = (*entry["inputs"], *entry["outputs"])
        for key, side in (("inputs", "in"), ("outputs", "out")):
            for index, port in enumerate(entry[key]):
                if port != f"{side}[{index}]":
                    self.file.fail(
                        (*at, key, index), f"port {index} of '{key}' is called {side}[{index}], not '{port}'"
                    )
        if entry.get("repeats", ports[0]) not in ports:
            self.file.unknown((*at, "repeats"), "port", entry["repeats"], ports)
        inputs, outputs = tuple(entry["inputs"]), tuple(entry["outputs"])
        return NewOp(name, inputs, outputs, entry.get("repeats"), self._source(at, entry))

    @property
    def _tables(self) -> Mapping[str, OpTable]:
        return shipped_tables(self.backend)

    def _where(self, at: Position, entry: Mapping[str, Any]) -> FactScope:
        op = entry["op"]
        if op not in self._tables and op not in self.before.ops:
            names = sorted((*self._tables, *self.before.ops))
            self.file.unknown((*at, "op"), "operator", op, names, " (a new one is declared with [[op]])")
        archs, chips = backends.backend(self.backend).archs, {each.name for each in (*self.before.socs, *socs())}
        for index, arch in enumerate(entry.get("archs", ())):
            if arch not in archs:
                self.file.unknown((*at, "archs", index), "arch", arch, archs)
        for index, chip in enumerate(entry.get("socs", ())):
            if chip not in chips:
                self.file.unknown((*at, "socs", index), "SoC", chip, chips)
        case = entry.get("case")
        cases = [name for each in self._tables[op].cases for name in each.name.split("|")] if op in self._tables else []
        if case is not None and case not in cases:
            self.file.unknown((*at, "case"), f"case of {op}", case, cases)
        return FactScope(op, frozenset(entry.get("archs", ())), frozenset(entry.get("socs", ())), case)

    def _sides(self, op: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        of = self._tables.get(op) or self.before.ops[op]
        return of.inputs, of.outputs

    def _ports(self, at: Position, entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
        known = [port for side in self._sides(entry["op"]) for port in side]
        named = entry.get(key, ())
        for index, port in enumerate([named] if isinstance(named, str) else named):
            if port not in known:
                self.file.unknown((*at, key, index), f"port of {entry['op']}", port, known)
        return (named,) if isinstance(named, str) else tuple(named)

    def _rows(self, at: Position, entry: Mapping[str, Any], wild: bool) -> tuple[Codes, ...]:
        inputs, outputs = self._sides(entry["op"])
        rows = []
        for index, row in enumerate(entry.get("rows", ())):
            where = (*at, "rows", index)
            left, arrow, right = (part.split() for part in row.partition(">"))
            if not arrow or (len(left), len(right)) != (len(inputs), len(outputs)):
                shape = f"{' '.join(inputs)} > {' '.join(outputs)}"
                self.file.fail(where, f"'{row}' is not a row of {entry['op']}, which has {shape}")
            for code in (*left, *right):
                self._code(where, code, ("*",) if wild else ())
            rows.append((*left, *right))
        return tuple(rows)

    def _code(self, where: Position, code: str, more: tuple[str, ...] = ()) -> str:
        if code not in (*CODES, *more):
            self.file.unknown(where, "port code", code, (*CODES, *more))
        return code

    def _allow(self, at: Position, entry: Mapping[str, Any]) -> Entry:
        where = self._where(at, entry)
        symmetric = self._ports(at, entry, "symmetric")
        return Allowed(where, self._rows(at, entry, wild=False), symmetric, self._source(at, entry))

    def _forbid(self, at: Position, entry: Mapping[str, Any]) -> Entry:
        where = self._where(at, entry)
        if ("rows" in entry) == ("port" in entry) or ("port" in entry) != ("codes" in entry):
            self.file.fail(
                at, "[[forbid]] needs either 'rows', or 'port' and 'codes'; [[cpu]] forbids a whole operator"
            )
        codes = frozenset(self._code((*at, "codes", i), code) for i, code in enumerate(entry.get("codes", ())))
        self._ports(at, entry, "port")
        rows = self._rows(at, entry, wild=True)
        return Forbidden(where, rows, entry.get("port"), codes, self._source(at, entry))

    def _cpu(self, at: Position, entry: Mapping[str, Any]) -> Entry:
        return Forbidden(self._where(at, entry), (), None, frozenset(), self._source(at, entry))

    def _fixed(self, at: Position, entry: Mapping[str, Any]) -> Entry:
        where = self._where(at, entry)
        (port,) = self._ports(at, entry, "port")
        code = self._code((*at, "code"), entry["code"])
        if code not in _RANGES:
            self.file.fail((*at, "code"), f"a tensor of '{code}' has no single scale; fixed are {', '.join(_RANGES)}")
        given = [key for key in ("scale", "zero_point") if key in entry]
        if entry.get("free", False) == bool(given) or len(given) == 1:
            self.file.fail(
                at, "[[fixed]] needs 'scale' and 'zero_point', or free = true to lift what another source fixes"
            )
        if entry.get("free", False):
            return FixedBy(where, port, code, None, self._source(at, entry))
        low, high = _RANGES[code]
        if not 0 < entry["scale"] <= sys.float_info.max:  # a whole number may be greater than any float
            self.file.fail((*at, "scale"), "'scale' must be a positive number")
        if not low <= entry["zero_point"] <= high:
            self.file.fail((*at, "zero_point"), f"'zero_point' must be within {low} .. {high} for {code}")
        encoding = (float(entry["scale"]), int(entry["zero_point"]))
        return FixedBy(where, port, code, encoding, self._source(at, entry))

    def _same(self, at: Position, entry: Mapping[str, Any]) -> Entry:
        where = self._where(at, entry)
        ports = self._ports(at, entry, "ports")
        return SharedBy(where, ports, entry.get("holds", True), self._source(at, entry))
