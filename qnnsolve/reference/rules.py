"""Rules as a reader wants them: code, what is forbidden or asked, why, what instead, and the facts they rest on."""

from __future__ import annotations

import re

import attrs

from qnnsolve.errors import UnknownNameError
from qnnsolve.facts.backends import backend_names
from qnnsolve.facts.curated import curated
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.reference.statements import Statement, statements
from qnnsolve.rules import common, own_rules
from qnnsolve.rules.registry import Rule
from qnnsolve.sources import Source

__all__ = ["COMMON", "RuleView", "rule_view", "rule_views"]

COMMON = "common"
"""Stands for the backend of a rule that holds for all."""

_SECTIONS = re.compile(r"^(Why|Instead): ", re.MULTILINE)


@attrs.frozen
class RuleView:
    """One rule. ``backend`` is :data:`COMMON` where it holds for every one; ``facts`` are what it rests on."""

    code: str
    name: str
    backend: str
    summary: str
    why: str
    instead: str
    facts: tuple[tuple[str, tuple[Statement, ...]], ...]
    """(backend, statements), for each built-in backend that has any."""


def rule_views(backend: str | None = None) -> tuple[RuleView, ...]:
    """Every rule of every built-in or installed backend, or only those that hold for ``backend``; by code.

    Raises:
        UnknownNameError: there is no such backend.
        PluginError: an installed backend is broken.
    """
    names = backend_names() if backend is None else (backend,)
    found = [_view(rule, COMMON, names) for rule in common.RULES]
    for name in names:
        found += [_view(rule, name, (name,)) for rule in own_rules(name)]
    return tuple(sorted(found, key=lambda view: (view.backend != COMMON, view.code)))


def rule_view(code: str) -> RuleView:
    """The rule with this code (in any case), or with this name.

    Raises:
        UnknownNameError: there is none; names the nearest.
    """
    views = rule_views()
    for view in views:
        if code.strip().lower() in (view.code.lower(), view.name):
            return view
    raise UnknownNameError("rule", code, [*(view.code for view in views), *(view.name for view in views)])


def _view(rule: Rule, backend: str, names: tuple[str, ...]) -> RuleView:
    parts = _SECTIONS.split(rule.doc)
    sections = {title: _one_line(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    resting = tuple((name, found) for name in names if (found := _rests_on(rule, name)))
    return RuleView(
        code=rule.code,
        name=rule.name,
        backend=backend,
        summary=_one_line(parts[0]),
        why=sections.get("Why", ""),
        instead=sections.get("Instead", ""),
        facts=resting,
    )


def _rests_on(rule: Rule, backend: str) -> tuple[Statement, ...]:
    found: list[Statement] = []
    for section in rule.rests_on:
        if isinstance(section, Source):
            found.append(Statement(rule.code, "what the rule says", section))
        else:
            found += _tables(backend) if section == "tables" else statements(curated(backend), section)
    return tuple(found)


def _tables(backend: str) -> list[Statement]:
    """One statement per measurement: how many operators it covers."""
    by_source: dict[Source, list[str]] = {}
    for table in shipped_tables(backend).values():
        by_source.setdefault(table.source, []).append(table.op)
    return [
        Statement(
            f"{len(ops)} operator{'s' if len(ops) != 1 else ''}", "which tuples of dtypes each takes, per arch", source
        )
        for source, ops in sorted(by_source.items())
    ]


def _one_line(text: str) -> str:
    """Without line breaks, and without the mark-up that docstrings have."""
    return re.sub(r":\w+:`([^`]*)`|``([^`]*)``", r"\1\2", " ".join(text.split()))
