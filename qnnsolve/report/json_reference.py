"""Rules and operators as JSON: plain dicts that hold to the schemas in ``qnnsolve/schema/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from qnnsolve.reference.operators import CaseView, OperatorView
from qnnsolve.reference.rows import RowView
from qnnsolve.reference.rules import RuleView
from qnnsolve.reference.statements import Statement
from qnnsolve.sources import Source

if TYPE_CHECKING:
    from qnnsolve.reference.examples import BrokenConfig

__all__ = [
    "OPERATORS_SCHEMA",
    "OPERATOR_SCHEMA",
    "RULES_SCHEMA",
    "RULE_SCHEMA",
    "operator_json",
    "operators_json",
    "rule_json",
    "rules_json",
]

RULES_SCHEMA = "qnnsolve/rules/1"
RULE_SCHEMA = "qnnsolve/rule/1"
OPERATOR_SCHEMA = "qnnsolve/operator/1"
OPERATORS_SCHEMA = "qnnsolve/operators/1"

Json: TypeAlias = dict[str, Any]


def rules_json(views: Sequence[RuleView]) -> Json:
    """The answer of ``qnnsolve rules`` (schema ``rules-1.json``)."""
    rules = [{"code": v.code, "name": v.name, "backend": v.backend, "summary": v.summary} for v in views]
    return {"schema": RULES_SCHEMA, "rules": rules}


def rule_json(view: RuleView, example: BrokenConfig | None) -> Json:
    """The answer of ``qnnsolve rule`` (schema ``rule-1.json``)."""
    return {
        "schema": RULE_SCHEMA,
        "code": view.code,
        "name": view.name,
        "backend": view.backend,
        "summary": view.summary,
        "why": view.why,
        "instead": view.instead,
        "facts": [{"backend": name, **_statement(each)} for name, found in view.facts for each in found],
        "example": None
        if example is None
        else {
            "graph": list(example.graph),
            "where": example.where,
            "only": example.only,
            "dearer": example.dearer,
            "ports": [{"port": port, "broken": broken, "mended": mended} for port, broken, mended in example.ports],
        },
    }


def operators_json(views: Sequence[OperatorView], backend: str, soc: str | None) -> Json:
    """The answer of ``qnnsolve facts list`` (schema ``operators-1.json``)."""
    operators = [
        {
            "op": view.op,
            "aten": list(view.aten),
            "cases": [case.name for case in view.cases],
            **{
                kind: sum(len(getattr(case, kind)) for case in view.cases)
                for kind in ("accepted", "wrong", "validator_only")
            },
        }
        for view in views
    ]
    return {"schema": OPERATORS_SCHEMA, "backend": backend, "soc": soc, "operators": operators}


def operator_json(view: OperatorView, soc: str | None) -> Json:
    """The answer of ``qnnsolve facts show`` (schema ``operator-1.json``); rows are not folded."""
    return {
        "schema": OPERATOR_SCHEMA,
        "op": view.op,
        "backend": view.backend,
        "soc": soc,
        "archs": list(view.archs),
        "aten": list(view.aten),
        "inputs": list(view.inputs),
        "outputs": list(view.outputs),
        "repeats": view.repeats,
        "cases": [_case(case) for case in view.cases],
        "statements": [_statement(each) for each in view.statements],
        "sources": [_source(each) for each in view.sources],
    }


def _case(case: CaseView) -> Json:
    kinds = ("accepted", "wrong", "validator_only", "unstable", "refused")
    rows = {kind: [_row(row) for row in getattr(case, kind)] for kind in kinds}
    axes = [{"port": port, "axes": list(found)} for port, found in case.axes]
    return {"name": case.name, "shapes": case.shapes, "axes": axes, **rows}


def _row(row: RowView) -> Json:
    return {
        "codes": [code for (code,) in row.codes],
        "archs": list(row.archs),
        "asks": list(row.asks),
        "sources": [_source(source) for source in row.sources],
    }


def _statement(statement: Statement) -> Json:
    return {"about": statement.about, "text": statement.text, "source": _source(statement.source)}


def _source(source: Source) -> Json:
    return {"kind": source.kind.value, "citation": source.citation}
