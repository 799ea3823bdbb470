"""One operator as a reader wants it: per case what is accepted, by which source, and what only seems to be.

Rows are those that rules see (:mod:`qnnsolve.opinfo_facts`), with their sources and demands. Beside them stands what
was measured as unusable: tuples that only the validator accepts, or that are computed wrongly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from qnnsolve.errors import UnknownNameError
from qnnsolve.facts.accepted import Accepted, AcceptedRow
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.curated import SECTIONS, Curated, curated
from qnnsolve.facts.table_types import Case, OpTable, TableRow
from qnnsolve.opinfo_facts import OperatorFacts, operator_facts
from qnnsolve.reference.rows import RowView, in_order, one_each
from qnnsolve.reference.statements import Statement, scale_text, statements
from qnnsolve.sources import Source, joined

__all__ = ["CaseView", "FactsOf", "OperatorView", "axes_text", "operator_names", "operator_view"]

FactsOf: TypeAlias = Callable[[str], OperatorFacts]
"""The facts of an arch."""


@attrs.frozen
class CaseView:
    """One shape class of an operator, its rows sorted."""

    name: str
    shapes: str
    axes: tuple[tuple[str, tuple[int, ...]], ...]
    """(port, channel axes that a per-channel or per-block tensor may have there), where one holds for every row."""
    accepted: tuple[RowView, ...]
    wrong: tuple[RowView, ...]
    """Accepted by validator and compiler, and computed wrongly by the emulator."""
    validator_only: tuple[RowView, ...]
    """Accepted by the validator, and refused by the compiler."""
    unstable: tuple[RowView, ...]
    """Answered differently when asked again."""
    refused: tuple[RowView, ...]
    """Accepted by one source, and refused by those named."""


@attrs.frozen
class OperatorView:
    """All that is known about ``op`` on ``archs`` of ``backend``."""

    op: str
    backend: str
    archs: tuple[str, ...]
    aten: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    repeats: str | None
    cases: tuple[CaseView, ...]
    statements: tuple[Statement, ...]
    sources: tuple[Source, ...]
    described_by: Source
    """Who names its ports and shape classes."""


def operator_names(backend: str, archs: Sequence[str] = (), facts: FactsOf | None = None) -> tuple[str, ...]:
    """Every operator of ``backend`` that some source describes on ``archs`` (default: all of the backend's), sorted."""
    return tuple(sorted({name for of in _facts(backend, archs, facts).values() for name in of.names}))


def operator_view(op: str, backend: str, archs: Sequence[str] = (), facts: FactsOf | None = None) -> OperatorView:
    """What is known about ``op``, in any case, on ``archs`` (default: all of the backend's).

    ``facts`` gives those of an arch; without it they are the shipped ones.

    Raises:
        UnknownNameError: no such backend, or nothing is known about ``op`` there; names the nearest.
        FactsError: a facts file is damaged.
        HostBackendError: the SDK's facts alone were asked for, and it does not answer.
    """
    found = _facts(backend, archs, facts)
    table = _layout(op, found.values())
    cases = []
    for case in table.cases:
        name = case.name.split("|")[0]
        asked = {arch: of.accepted(table.op, name) for arch, of in found.items()}
        accepted = {arch: answer for arch, answer in asked.items() if answer is not None}
        cases.append(_case(table, case, accepted, tuple(found)))
    about = tuple(_about(table, curated(backend), tuple(found)))
    return OperatorView(
        op=table.op,
        backend=backend,
        archs=tuple(found),
        aten=tuple(sorted(table.aten)),
        inputs=table.inputs,
        outputs=table.outputs,
        repeats=table.repeats,
        cases=tuple(cases),
        statements=about,
        sources=joined(
            (
                table.source,
                *(statement.source for statement in about),
                *(source for case in cases for row in (*case.accepted, *case.refused) for source in row.sources),
            )
        ),
        described_by=table.source,
    )


def _facts(backend: str, archs: Sequence[str], facts: FactsOf | None) -> dict[str, OperatorFacts]:
    of = facts or functools.partial(operator_facts, backend)
    return {arch: of(arch) for arch in archs or backend_of(backend).archs}


def _layout(name: str, facts: Iterable[OperatorFacts]) -> OpTable:
    """The table that names the ports and shape classes of an operator; a user's own operator has one class."""
    known: dict[str, OperatorFacts] = {}
    for of in facts:
        known.update((each, of) for each in of.names if each not in known)
    op = next((each for each in sorted(known) if each.lower() == name.strip().lower()), None)
    if op is None:
        raise UnknownNameError("operator", name, sorted(known))
    of = known[op]
    table = of.tables.get(op) or (None if of.sdk is None else of.sdk.table(op))
    if table is not None:
        return attrs.evolve(table, op=op)
    new = of.user.ops[op]
    case = Case("any", "as your file lists it", (), ())
    return OpTable(op, of.backend, new.inputs, new.outputs, new.repeats, (case,), new.source)


def _case(table: OpTable, case: Case, accepted: Mapping[str, Accepted], archs: tuple[str, ...]) -> CaseView:
    ports = (*table.inputs, *table.outputs)
    rows: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[Source, ...]], list[str]] = {}
    refused: dict[tuple[tuple[str, ...], tuple[Source, ...]], list[str]] = {}
    axes = _axes(row for found in accepted.values() for row in found.rows.values())
    for arch, found in accepted.items():
        for codes, row in found.rows.items():
            rows.setdefault((codes, tuple(_asks(row, ports, axes)), row.sources), []).append(arch)
        for codes, sources in found.refused.items():
            refused.setdefault((codes, sources), []).append(arch)
    return CaseView(
        name=case.name,
        shapes=case.shapes,
        axes=tuple((ports[position], tuple(sorted(found))) for position, found in sorted(axes.items())),
        accepted=in_order(
            RowView(one_each(codes), tuple(held), asks, sources) for (codes, asks, sources), held in rows.items()
        ),
        wrong=_seen(case.wrong, archs),
        validator_only=_seen(case.validator_only, archs),
        unstable=_seen(case.unstable, archs),
        refused=in_order(
            RowView(one_each(codes), tuple(held), (), sources) for (codes, sources), held in refused.items()
        ),
    )


def _seen(rows: Iterable[TableRow], archs: tuple[str, ...]) -> tuple[RowView, ...]:
    views = (RowView(one_each(row.codes), tuple(arch for arch in archs if arch in row.archs)) for row in rows)
    return in_order(view for view in views if view.archs)


def _axes(rows: Iterable[AcceptedRow]) -> dict[int, frozenset[int]]:
    """Channel axes by position, where all rows that ask for one ask for the same."""
    asked: dict[int, set[frozenset[int]]] = {}
    for row in rows:
        for position, axes in row.axis:
            asked.setdefault(position, set()).add(axes)
    return {position: min(found) for position, found in asked.items() if len(found) == 1}


def _asks(row: AcceptedRow, ports: tuple[str, ...], known: Mapping[int, frozenset[int]]) -> Iterator[str]:
    """What a row asks besides its codes and the axes that are ``known``, in words, one per demand."""
    if row.same:
        yield f"{' and '.join(ports[at] for at in sorted(row.same))} carry one encoding"
    if row.symmetric:
        yield f"{' and '.join(ports[at] for at in sorted(row.symmetric))} symmetric"
    for fixed in row.fixed:
        yield f"{ports[fixed.position]} has scale {scale_text(fixed.scale)} and zero point {fixed.zero_point}"
    for position, axes in row.axis:
        if position not in known:
            yield f"{ports[position]} along axis {' or '.join(map(str, sorted(axes)))}"


def axes_text(case: CaseView) -> str:
    """``in[1] 0, in[2] 0``: the channel axes that hold for the whole case, or nothing."""
    return ", ".join(f"{port} {' or '.join(map(str, axes))}" for port, axes in case.axes)


def _about(table: OpTable, facts: Curated, archs: tuple[str, ...]) -> Iterator[Statement]:
    """The curated statements that touch ``table``: about the op, its aten targets, or codes that its rows have."""
    codes = {code for case in table.cases for row in (*case.rows, *case.wrong) for code in row.codes}
    oldest = min(int(arch[1:]) for arch in archs)
    for section in SECTIONS:
        for statement in statements(facts, section):
            late = section == "since" and int(facts.since[statement.about][0][1:]) > oldest
            named = statement.about == table.op or statement.about in table.aten
            past = section == "multiplier" and all(int(limit.until[1:]) <= oldest for limit in facts.multiplier)
            if (named and not past) or (late and statement.about in codes):
                yield statement
