"""Operator facts of a kept run: what every source together said of what the graph needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs
from cattrs import Converter

from qnnsolve.facts.accepted import Accepted, AcceptedRow
from qnnsolve.facts.curated import Curated
from qnnsolve.facts.forms import ANY_FORM, Form
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.results import FactsRecord
from qnnsolve.rules.base import Facts
from qnnsolve.rules.rows import emitted
from qnnsolve.runs.file import Row, Rows
from qnnsolve.runs.ids import Ids, Met, StoredIds, compact, parsed
from qnnsolve.sources import Source

__all__ = ["KeptOperators", "operator_rows", "read_operators"]

Asked: TypeAlias = tuple[str, Form]

_CONVERT = ("Convert", Form("rank4"))
"""What rules ask of every graph: which encodings a convert bridges."""


@attrs.frozen(eq=False)
class KeptOperators(OperatorFacts):
    """Operator facts as a run has them: by operator and form, out of every source that counted then.

    What the graph of the run does not need is not known here.
    """

    kept: Mapping[Asked, Accepted | None] = attrs.field(factory=dict)
    kept_records: tuple[FactsRecord, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every operator that the run knows, sorted."""
        return tuple(sorted({op for (op, _), accepted in self.kept.items() if accepted is not None}))

    @property
    def records(self) -> tuple[FactsRecord, ...]:
        """Every source that was looked for then."""
        return self.kept_records

    def accepted(self, op: str, form: Form | str = ANY_FORM) -> Accepted | None:
        """What ``op`` accepted of a node of this form; None where nothing was known."""
        return self.kept.get((op, Form(form) if isinstance(form, str) else form))


def _asked(facts: Facts) -> list[Asked]:
    """The operators and forms that the graph needs, each once: of every op that a node becomes, and of any form."""
    found = {_CONVERT: None}
    for node, built in facts.calls:
        found.update(dict.fromkeys((op.op, op.form) for op in emitted(facts, node, built)))
        found.update(dict.fromkeys((op, ANY_FORM) for op in built.ops))
    return list(found)


def operator_rows(facts: Facts, met: Met, writer: Converter) -> dict[str, list[Row]]:
    """The rows of the tables ``operators``, ``asks``, ``operator_rows`` and ``told``."""
    conditions, convert = Ids[AcceptedRow](), writer.unstructure
    operators: list[Row] = []
    found: list[Row] = []
    for at, (op, form) in enumerate(_asked(facts)):
        accepted = facts.operators.accepted(op, form)
        ports = None if accepted is None else [accepted.inputs, accepted.outputs, accepted.repeats]
        known_from = () if accepted is None else accepted.known_from
        operators.append((at, op, compact(convert(form)), ports and compact(ports), met.sources.many(known_from)))
        if accepted is None:
            continue
        for codes in sorted({*accepted.rows, *accepted.refused}):
            row = accepted.rows.get(codes)
            refused_by = met.sources.many(accepted.refused.get(codes, ()))
            found.append((at, " ".join(codes), None if row is None else conditions(row), refused_by))
    return {
        "operators": operators,
        "asks": [(at, compact(convert(row))) for at, row in enumerate(conditions)],
        "operator_rows": found,
        "told": [(each.source, int(each.used), each.detail) for each in facts.operators.records],
    }


def read_operators(
    rows: Rows, known: StoredIds, reader: Converter, curated: Curated, backend: str, soc: str, arch: str
) -> KeptOperators:
    """The operator facts whose rows these are."""
    structure = reader.structure
    conditions = [structure(parsed(text), AcceptedRow) for _, text in rows["asks"]]
    taken: dict[int, dict[tuple[str, ...], AcceptedRow]] = {}
    refused: dict[int, dict[tuple[str, ...], tuple[Source, ...]]] = {}
    for operator, text, ask, refused_by in rows["operator_rows"]:
        codes = tuple(text.split(" ")) if text else ()
        if ask is not None:
            taken.setdefault(operator, {})[codes] = conditions[ask]
        if sources := known.sources_of(refused_by):
            refused.setdefault(operator, {})[codes] = sources
    kept: dict[Asked, Accepted | None] = {}
    for at, op, form, ports, known_from in rows["operators"]:
        accepted = None
        if ports is not None:
            inputs, outputs, repeats = parsed(ports)
            accepted = Accepted(
                taken.get(at, {}),
                tuple(inputs),
                tuple(outputs),
                repeats,
                refused.get(at, {}),
                known.sources_of(known_from),
            )
        kept[op, structure(parsed(form), Form)] = accepted
    records = tuple(FactsRecord(source, bool(used), detail) for source, used, detail in rows["told"])
    return KeptOperators(backend, arch, {}, curated, soc=soc, kept=kept, kept_records=records)
