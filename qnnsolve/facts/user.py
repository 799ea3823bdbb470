"""Facts that a user adds in a TOML file: new SoCs and operators, and what operators take beyond what is known.

The format is described in ``docs/facts.md``. Whatever a user's fact decides is shown as ``user``, with file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import attrs

from qnnsolve.facts.accepted import Accepted, AcceptedRow, Codes, FixedAt
from qnnsolve.facts.socs import Soc
from qnnsolve.sources import Source, joined

__all__ = ["NO_USER_FACTS", "Allowed", "FactScope", "FixedBy", "Forbidden", "NewOp", "SharedBy", "UserFacts"]


@attrs.frozen
class FactScope:
    """On which archs and SoCs a fact holds; empty: all of them. ``case`` is a shape class of the operator's table."""

    op: str
    archs: frozenset[str] = frozenset()
    socs: frozenset[str] = frozenset()
    case: str | None = None

    def covers(self, op: str, cases: Collection[str], arch: str, soc: str) -> bool:
        """Whether the fact is about this operator, here; ``cases`` are the classes that measure the node."""
        here = (not self.archs or arch in self.archs) and (not self.socs or soc in self.socs)
        return op == self.op and here and (self.case is None or self.case in cases)


@attrs.frozen
class NewOp:
    """An operator that no other source knows, with its ports."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    repeats: str | None
    source: Source


@attrs.frozen
class Allowed:
    """Rows that are accepted, whatever other sources say; at ``symmetric`` ports the zero point must be in the
    middle."""

    where: FactScope
    rows: tuple[Codes, ...]
    symmetric: tuple[str, ...]
    source: Source


@attrs.frozen
class Forbidden:
    """Rows that are refused (``*`` stands for any code), or every row with one of ``codes`` at ``port``, or all."""

    where: FactScope
    rows: tuple[Codes, ...]
    port: str | None
    codes: frozenset[str]
    source: Source

    def hits(self, codes: Codes, ports: tuple[str, ...]) -> bool:
        """Whether a row is refused."""
        if self.port is not None:
            return codes[ports.index(self.port)] in self.codes
        return not self.rows or any(
            all(want in ("*", code) for want, code in zip(row, codes, strict=True)) for row in self.rows
        )


@attrs.frozen
class FixedBy:
    """At ``port`` a tensor of ``code`` has this encoding, or any (``encoding`` None) where another source fixes it."""

    where: FactScope
    port: str
    code: str
    encoding: tuple[float, int] | None
    source: Source


@attrs.frozen
class SharedBy:
    """``ports`` carry one encoding (``holds``), or need not where another source says so."""

    where: FactScope
    ports: tuple[str, ...]
    holds: bool
    source: Source


Entry = Allowed | Forbidden | FixedBy | SharedBy


@attrs.frozen(eq=False)
class UserFacts:
    """All that the user's files say, in their order."""

    socs: tuple[Soc, ...] = ()
    ops: Mapping[str, NewOp] = attrs.field(factory=dict)
    entries: tuple[Entry, ...] = ()
    paths: tuple[Path, ...] = ()

    def narrowed(self, known: Accepted | None, op: str, cases: Collection[str], arch: str, soc: str) -> Accepted | None:
        """What ``op`` accepts once the user's facts are counted in: allowed rows first, then what narrows them."""
        if known is None and op in self.ops:
            new = self.ops[op]
            repeats = None if new.repeats is None else (*new.inputs, *new.outputs).index(new.repeats)
            known = Accepted({}, new.inputs, new.outputs, repeats, known_from=(new.source,))
        about = [entry for entry in self.entries if entry.where.covers(op, cases, arch, soc)]
        if known is None or not about:
            return known
        ports = (*known.inputs, *known.outputs)
        rows, refused = dict(known.rows), dict(known.refused)
        for entry in sorted(about, key=_order):
            match entry:
                case Allowed():
                    for codes in entry.rows:
                        centered = frozenset(map(ports.index, entry.symmetric))
                        before = rows.get(codes, AcceptedRow())
                        rows[codes] = attrs.evolve(before, symmetric=centered, sources=(entry.source,))
                        refused.pop(codes, None)
                case Forbidden():
                    for codes in [codes for codes in rows if entry.hits(codes, ports)]:
                        del rows[codes]
                        refused[codes] = (entry.source,)
                case FixedBy() | SharedBy():
                    rows = {codes: _asking(entry, codes, row, ports) for codes, row in rows.items()}
        cited = joined((*known.known_from, *(entry.source for entry in about)))
        return attrs.evolve(known, rows=dict(sorted(rows.items())), refused=refused, known_from=cited)


NO_USER_FACTS = UserFacts()
_ORDER = (Allowed, FixedBy, SharedBy, Forbidden)


def _order(entry: Entry) -> int:
    return _ORDER.index(type(entry))


def _asking(entry: FixedBy | SharedBy, codes: Codes, row: AcceptedRow, ports: tuple[str, ...]) -> AcceptedRow:
    """The row with what the entry asks of it, or no longer asks."""
    cited = joined((*row.sources, entry.source))
    if isinstance(entry, SharedBy):
        named = frozenset(map(ports.index, entry.ports))
        return attrs.evolve(row, same=row.same | named if entry.holds else row.same - named, sources=cited)
    position = ports.index(entry.port)
    if codes[position] != entry.code:
        return row
    others = tuple(each for each in row.fixed if each.position != position)
    mine = () if entry.encoding is None else (FixedAt(position, *entry.encoding),)
    return attrs.evolve(row, fixed=tuple(sorted((*others, *mine))), sources=cited)
