"""The reference pages, made from rules, facts and the schema of kept runs: ``python -m qnnsolve.report docs``.

A test holds the committed pages to what this module makes, so that they are never stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.reference.examples import broken_config
from qnnsolve.reference.operators import CaseView, OperatorView, axes_text, operator_names, operator_view
from qnnsolve.reference.rows import RowView, archs_text, folded
from qnnsolve.reference.rules import COMMON, RuleView, rule_views
from qnnsolve.reference.statements import cited
from qnnsolve.report.folding import fold
from qnnsolve.report.relations_reference import relations_page
from qnnsolve.report.runs_reference import runs_page

__all__ = ["pages"]

_MADE = "<!-- Made by `make docs` from the rules and facts; do not edit. -->"
_MADE_OF_SCHEMA = "<!-- Made by `make docs` from the schema in qnnsolve/runs; do not edit. -->"
_MADE_OF_RELATIONS = "<!-- Made by `make docs` from the relations in qnnsolve/asking; do not edit. -->"
BACKENDS = ("htp", "lpai")
"""The built-in backends: what an installed distribution adds is not in our pages."""


def pages() -> Mapping[str, str]:
    """Every reference page by file name."""
    return {
        "rules.md": _page(_rules()),
        "operators.md": _page(_operators()),
        "relations.md": _page(relations_page(_MADE_OF_RELATIONS)),
        "runs.md": _page(runs_page(_MADE_OF_SCHEMA)),
    }


def _page(lines: Iterable[str]) -> str:
    return "\n".join((*lines, ""))


def _rules() -> Iterator[str]:
    yield from (
        "# Rules",
        "",
        _MADE,
        "",
        "What a config is held to. A report names the rule behind each of its lines by the code in brackets, and",
        "`qnnsolve rule CODE` prints what stands here. `QC` rules hold for every backend, `QH` for HTP, `QL` for LPAI.",
        "",
        "| code | backend | says |",
        "|---|---|---|",
    )
    views = list(dict.fromkeys(view for name in BACKENDS for view in rule_views(name)))
    by_code = {view.code: view for view in reversed(views)}
    ordered = [by_code[code] for code in dict.fromkeys(view.code for view in views)]
    for view in ordered:
        yield f"| [{view.code}](#{_anchor(view)}) | {view.backend} | {_cell(view.summary)} |"
    for view in ordered:
        yield from _rule(view, [each for each in views if each.code == view.code])


def _anchor(view: RuleView) -> str:
    return f"{view.code.lower()}-{view.name}"


def _rule(view: RuleView, asked: Sequence[RuleView]) -> Iterator[str]:
    """One rule; ``asked`` are its views for each backend, whose facts differ."""
    where = "every backend" if view.backend == COMMON else view.backend.upper()
    yield from ("", f"## {view.code} {view.name}", "", f"For {where}. {view.summary}", "")
    yield from (f"**Why**: {view.why}", "", f"**Instead**: {view.instead}")
    yield from _example(view.code)
    facts = [(name, statement) for each in asked for name, found in each.facts for statement in found]
    if not facts:
        return
    yield from ("", "| fact | about | backend | source |", "|---|---|---|---|")
    for group in fold(facts, lambda it: (it[0], it[1].text, it[1].source)):
        name, first = group[0]
        about = ", ".join(dict.fromkeys(statement.about for _, statement in group))
        yield f"| {_cell(first.text)} | {about} | {name} | {_cell(cited(first.source))} |"


def _example(code: str) -> Iterator[str]:
    """A config that breaks the rule and the mended one, as ``qnnsolve rule`` finds them."""
    example = broken_config(code)
    if example is None:
        return
    forbids = "it makes dearer" if example.dearer else f"breaks it{'' if example.only else ' (and other rules)'}"
    yield from ("", f"For example, on {example.where}:", "", "```", *example.graph, "```", "")
    yield from (f"| port | {forbids} | mended |", "|---|---|---|")
    yield from (f"| {' | '.join(map(_cell, row))} |" for row in example.ports)


def _operators() -> Iterator[str]:
    views = [operator_view(op, name) for name in BACKENDS for op in operator_names(name)]
    yield from (
        "# Operators",
        "",
        _MADE,
        "",
        "Which encodings each QNN operator takes on its ports, per arch. Ports are in QNN's order. Codes: sign and",
        "bits of a quantized tensor (`u16`, `s8`; `c` per channel, `b` per block); `f32` `f16` `i32` `u32` `b8` are",
        "floats, integers and masks that mean themselves; `-` is an optional input that is absent. Several codes in a",
        "cell: each of them, with each of the others in the row. `qnnsolve facts show OPERATOR` prints the same with",
        "the source of every row, and what only looks accepted.",
        "",
        "Measured:",
        "",
        *(f"- {text}" for text in dict.fromkeys(cited(view.described_by) for view in views)),
    )
    for first, group in groupby(views, key=lambda view: view.op[0]):
        yield from ("", f"## {first}")
        for view in group:
            yield from _operator(view)


def _operator(view: OperatorView) -> Iterator[str]:
    targets = f"From {', '.join(f'`{target}`' for target in view.aten)}." if view.aten else ""
    repeats = f" `{view.repeats}` stands for any number of ports." if view.repeats else ""
    yield from ("", f"### {view.op}")
    if targets or repeats:
        yield from ("", f"{targets}{repeats}".strip())
    for case in view.cases:
        yield from _case(view, case)
    for statement in view.statements:
        about = "" if statement.about == view.op else f"`{statement.about}`: "
        yield from ("", f"- {about}{statement.text} ({cited(statement.source)})")


def _case(view: OperatorView, case: CaseView) -> Iterator[str]:
    names = case.name.replace("|", ", ")
    if not case.accepted:
        yield from ("", f"*{names}*: nothing is accepted.")
        return
    shown = folded(tuple(RowView(row.codes, row.archs, row.asks) for row in case.accepted))
    conditional = any(row.asks for row in shown)
    columns = [*view.inputs, *view.outputs, "archs", *["if"] * conditional]
    yield from ("", f"*{names}*", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")
    for row in shown:
        cells = [" ".join(codes) for codes in row.codes]
        cells += [archs_text(row.archs, backend_of(view.backend).archs), *["; ".join(row.asks)] * conditional]
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    if case.axes:
        yield from ("", f"Channel axes: {axes_text(case)}.")
    counts = [
        f"{len(rows)} {what}"
        for rows, what in (
            (case.wrong, "computed wrongly"),
            (case.validator_only, "refused by the compiler"),
            (case.unstable, "answered at random"),
        )
        if rows
    ]
    if counts:
        yield from ("", f"The validator takes more: {', '.join(counts)}.")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
