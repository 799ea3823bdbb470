"""Where two sources of operator facts differ, as plain records: by operator, case, row and arch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from qnnsolve.errors import FactsError, UnknownNameError, UsageError
from qnnsolve.facts import backends
from qnnsolve.facts.accepted import Accepted, AcceptedRow, Codes
from qnnsolve.facts.combine import counterpart
from qnnsolve.facts.curated import curated
from qnnsolve.facts.forms import Form
from qnnsolve.facts.socs import Soc
from qnnsolve.facts.tables import OpTable, ProbeVerdict, load_table, shipped_tables
from qnnsolve.facts.user import UserFacts
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, operator_facts
from qnnsolve.results import SourceRecord
from qnnsolve.sources import Source

__all__ = ["FactDifference", "Side", "differences", "side"]


@attrs.frozen
class FactDifference:
    """One thing that two sides say differently about ``op``, on every arch of ``archs``.

    ``row`` is a tuple of port codes as tables write it, or None where one side knows nothing about the operator.
    """

    op: str
    case: str | None
    row: str | None
    archs: tuple[str, ...]
    one: str
    other: str
    one_sources: tuple[SourceRecord, ...]
    other_sources: tuple[SourceRecord, ...]


@attrs.frozen(eq=False)
class Side:
    """One source of facts, ready to be asked: per arch its facts, and the tables they come from."""

    name: str
    facts: Mapping[str, OperatorFacts]
    tables: Mapping[str, OpTable]

    def cases(self, op: str) -> tuple[str, ...]:
        """The shape classes that this side keeps apart for ``op``."""
        return tuple(case.name.split("|")[0] for case in self.tables[op].cases) if op in self.tables else ()


def side(name: str, backend: str = "htp", soc: Soc | None = None) -> Side:
    """The facts called ``name``: ``measured``, ``sdk``, a folder or file of tables (JSON), or a user's TOML file.

    A user's file stands for the measured facts as the file changes them. With ``soc``, only its arch counts.

    Raises:
        UsageError: the SDK is asked without a SoC.
        UnknownNameError: neither a source nor a file that exists.
        FactsError: a file says what cannot be.
        HostBackendError: the SDK does not answer.
    """
    known = backends.backend(backend)
    archs = known.archs if soc is None else (known.arch(soc),)
    path = Path(name)
    user, tables = UserFacts(), shipped_tables(backend)
    if name == FactsSource.SDK.value:
        if soc is None:
            raise UsageError("the SDK's facts hold for one SoC; name it with --soc")
        facts = operator_facts(backend, archs[0], soc, FactsSource.SDK)
        return Side(name, {archs[0]: facts}, {} if facts.sdk is None else facts.sdk.tables)
    if path.suffix == ".toml" and path.is_file():
        user = read_user_facts([path], backend)
    elif path.is_dir() or (path.suffix == ".json" and path.is_file()):
        tables = _tables(path)
    elif path.exists():
        raise UsageError(f"{name} is neither a .toml file, nor a .json table or a folder of them")
    elif name != FactsSource.MEASURED.value:
        raise UnknownNameError("source of facts (nor a file or folder)", name, ("measured", "sdk"))
    chip = "" if soc is None else soc.name
    given = {arch: OperatorFacts(backend, arch, tables, curated(backend), None, user, chip) for arch in archs}
    return Side(name, given, tables)


def _tables(path: Path) -> Mapping[str, OpTable]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise FactsError(path, "holds no operator tables (*.json)")
    tables = [load_table(file) for file in files]
    return {table.op: table for table in tables}


def differences(one: Side, other: Side, op: str | None = None) -> tuple[FactDifference, ...]:
    """Everything that the two say differently, sorted; archs that differ alike are one record.

    Raises:
        UnknownNameError: ``op`` is known to neither; names the nearest.
    """
    ops = sorted({*_ops(one), *_ops(other)})
    if op is not None and op not in ops:
        raise UnknownNameError("operator", op, ops)
    found: dict[FactDifference, list[str]] = {}
    for name in ops if op is None else [op]:
        for arch in [arch for arch in one.facts if arch in other.facts]:
            for case in dict.fromkeys((*one.cases(name), *other.cases(name))) or (None,):
                for each in _compared(one, other, name, case, arch):
                    found.setdefault(each, []).append(arch)
    return tuple(attrs.evolve(each, archs=tuple(dict.fromkeys(archs))) for each, archs in found.items())


def _ops(of: Side) -> set[str]:
    return {*of.tables, *(op for facts in of.facts.values() for op in facts.user.ops)}


def _compared(one: Side, other: Side, op: str, case: str | None, arch: str) -> Iterator[FactDifference]:
    mine, theirs = (of.facts[arch].accepted(op, Form(case)) for of in (one, other))
    record = functools.partial(FactDifference, op, case)
    if mine is None or theirs is None:
        if mine is not theirs:
            said = ("not known" if mine is None else "known", "not known" if theirs is None else "known")
            yield attrs.evolve(record(None, (), *said, _cited(mine), _cited(theirs)), case=None)
        return
    for codes, row in mine.rows.items():
        found = counterpart(codes, mine, theirs)
        refusal = functools.partial(_refusal, other, op, case, codes, arch)
        here, there = _said(row, mine), refusal() if found is None else _said(found, mine)
        if here != there:
            cited = _records(row.sources), _cited(theirs) if found is None else _records(found.sources)
            yield record(_key(codes, mine), (), here, there, *cited)
    for codes, row in theirs.rows.items():
        if counterpart(codes, theirs, mine) is None:
            refused = _refusal(one, op, case, codes, arch)
            yield record(_key(codes, theirs), (), refused, _said(row, theirs), _cited(mine), _records(row.sources))


def _refusal(of: Side, op: str, case: str | None, codes: Codes, arch: str) -> str:
    """How a side refuses: as measured where that is known, else plainly."""
    table = of.tables.get(op)
    try:
        verdict = ProbeVerdict.REJECTED if table is None or case is None else table.verdict(case, codes, arch)
    except KeyError:
        verdict = ProbeVerdict.REJECTED
    words = {ProbeVerdict.UNKNOWN: "not asked", ProbeVerdict.ACCEPTED: "rejected"}  # accepted there, and narrowed since
    return words.get(verdict, verdict.value)


def _said(row: AcceptedRow, accepted: Accepted) -> str:
    """``accepted``, and what the row asks besides."""
    ports = (*accepted.inputs, *accepted.outputs)

    def named(positions: frozenset[int]) -> str:
        return " ".join(ports[at] for at in sorted(positions))

    conditions = [
        *([f"symmetric {named(row.symmetric)}"] if row.symmetric else []),
        *([f"same {named(row.same)}"] if row.same else []),
        *(f"{ports[fixed.position]} fixed at {fixed.scale:.7g} from {fixed.zero_point}" for fixed in row.fixed),
        *(f"{ports[at]} along {' or '.join(map(str, sorted(axes)))}" for at, axes in row.axis),
    ]
    return "accepted" + (f" ({', '.join(conditions)})" if conditions else "")


def _key(codes: Codes, accepted: Accepted) -> str:
    arity = len(accepted.inputs)
    return f"{' '.join(codes[:arity])} > {' '.join(codes[arity:])}"


def _cited(accepted: Accepted | None) -> tuple[SourceRecord, ...]:
    return () if accepted is None else _records(accepted.known_from)


def _records(sources: Sequence[Source]) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(source.kind.value, source.citation) for source in sources)
