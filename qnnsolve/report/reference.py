"""Rules and operators as text: what ``qnnsolve rules``, ``rule`` and ``facts`` print.

Tables fit a terminal; where the output is none they are as wide as their content, so that ``grep`` finds rows whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.reference.operators import CaseView, OperatorView, axes_text
from qnnsolve.reference.rows import RowView, archs_text, folded
from qnnsolve.reference.rules import COMMON, RuleView
from qnnsolve.reference.statements import cited
from qnnsolve.report.folding import fold

if TYPE_CHECKING:
    from qnnsolve.reference.examples import BrokenConfig

__all__ = ["operator_blocks", "operators_blocks", "print_blocks", "rule_blocks", "rules_blocks"]

_WIDE = 1000

MISTAKES = (
    ("wrong", "Accepted by validator and compiler, and computed wrongly: never chosen"),
    ("validator_only", "Accepted by the validator, refused by the compiler: never chosen"),
    ("unstable", "Answered differently when asked again: never chosen"),
    ("refused", "Accepted by one source, refused by another: never chosen"),
)
"""Kinds of rows that look legal and are not, as :class:`CaseView` names them, and what they are."""


def print_blocks(blocks: Iterable[RenderableType], file: IO[str]) -> None:
    """Print one block after another."""
    terminal = file.isatty()
    console = Console(file=file, highlight=False, markup=False, emoji=False, width=None if terminal else _WIDE)
    for block in blocks:
        if terminal:
            console.print(block)
            continue
        with console.capture() as printed:
            console.print(block, soft_wrap=isinstance(block, Text))
        file.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def rules_blocks(views: Sequence[RuleView]) -> Iterator[RenderableType]:
    """All rules as one table."""
    table = _table("code", "name", "backend", "says")
    for view in views:
        table.add_row(view.code, view.name, view.backend, view.summary)
    yield table
    yield Text("qnnsolve rule CODE says why, what instead, and which facts it rests on", style="dim")


def rule_blocks(view: RuleView, example: BrokenConfig | None = None) -> Iterator[RenderableType]:
    """One rule in full."""
    holds = "holds for every backend" if view.backend == COMMON else f"holds for {view.backend.upper()}"
    yield Text(f"{view.code} {view.name} ({holds})", style="bold")
    yield Text(view.summary)
    yield Text(f"\nWhy: {view.why}")
    yield Text(f"\nInstead: {view.instead}")
    if example is not None:
        yield from _example(example)
    if not view.facts:
        yield Text("\nIt rests on the model's graph and the request alone.")
    for backend, statements in view.facts:
        yield Text(f"\nFacts about {backend.upper()} that it rests on", style="bold")
        table = _table("fact", "about", "source")
        for group in fold(statements, lambda each: (each.text, each.source)):
            about = ", ".join(dict.fromkeys(each.about for each in group))
            table.add_row(group[0].text, about, cited(group[0].source))
        yield table


def _example(example: BrokenConfig) -> Iterator[RenderableType]:
    also = "" if example.only else " (and other rules)"
    yield Text(f"\nFor example, on {example.where}", style="bold")
    yield from (Text(f"  {line}") for line in example.graph)
    table = _table("port", f"breaks it{also}", "mended")
    if example.dearer:
        table = _table("port", "it makes dearer", "mended")
    for row in example.ports:
        table.add_row(*row)
    yield table


def operators_blocks(views: Sequence[OperatorView]) -> Iterator[RenderableType]:
    """Operators in a list: their shape classes, and how many tuples are accepted."""
    table = _table("operator", "shape classes", "accepted", "computed wrongly", "validator only")
    for view in views:
        counts = (sum(len(getattr(case, kind)) for case in view.cases) for kind in _COUNTED)
        table.add_row(view.op, ", ".join(case.name.replace("|", ", ") for case in view.cases), *map(str, counts))
    yield table
    yield Text("qnnsolve facts show OPERATOR lists the tuples, and who says so", style="dim")


_COUNTED = ("accepted", "wrong", "validator_only")


def operator_blocks(view: OperatorView, soc: str | None) -> Iterator[RenderableType]:
    """One operator in full; ``soc`` is the chipset that was asked for."""
    where = f"{view.backend.upper()} {archs_text(view.archs, backend_of(view.backend).archs)}"
    yield Text(f"{view.op} on {f'{soc} ({where})' if soc else where}", style="bold")
    yield Text(f"from {', '.join(view.aten) or 'no aten op directly'}")
    if view.repeats is not None:
        yield Text(f"{view.repeats} stands for any number of ports")
    for case in view.cases:
        yield Text(f"\nCase {case.name.replace('|', ', ')}: {case.shapes}", style="bold")
        yield from _case(view, case)
    if view.statements:
        yield Text("\nFacts that no table can tell", style="bold")
        table = _table("about", "fact", "source")
        for statement in view.statements:
            table.add_row(statement.about, statement.text, cited(statement.source))
        yield table
    yield Text("\nSources", style="bold")
    for source in view.sources:
        yield Text(f"  {cited(source)}")


def _case(view: OperatorView, case: CaseView) -> Iterator[RenderableType]:
    if case.accepted:
        yield Text("Accepted")
        yield _rows(view, case.accepted)
        if case.axes:
            yield Text(f"Channel axes: {axes_text(case)}")
    else:
        yield Text("Nothing is accepted", style="yellow")
    for kind, title in MISTAKES:
        rows: tuple[RowView, ...] = getattr(case, kind)
        if rows:
            yield Text(title, style="yellow")
            yield _rows(view, rows)


def _rows(view: OperatorView, rows: Sequence[RowView]) -> Table:
    shown = folded(rows)
    archs = len(view.archs) > 1
    conditional, sources = any(row.asks for row in shown), any(row.sources for row in shown)
    table = _table(*view.inputs, *view.outputs, *["archs"] * archs, *["if"] * conditional, *["says who"] * sources)
    for row in shown:
        cells = [" ".join(codes) for codes in row.codes]
        cells += [archs_text(row.archs, backend_of(view.backend).archs)] * archs
        cells += ["; ".join(row.asks)] * conditional
        cells += [", ".join(dict.fromkeys(source.kind.value for source in row.sources))] * sources
        table.add_row(*cells)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0, overflow="fold")
    return table
