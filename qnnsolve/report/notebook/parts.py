"""What a notebook shows of each kind of answer: lines as the command line prints them, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from qnnsolve.logic import Answers
from qnnsolve.questions import Alternatives, Clash, Repair, RunDifference, WhyNot
from qnnsolve.report.comparing import compare_head
from qnnsolve.report.lines import Line, count
from qnnsolve.report.notebook.fragments import HtmlCell, HtmlTable, folded, lines_html
from qnnsolve.report.program import program
from qnnsolve.report.questions import clash_lines, difference_lines, repair_lines, why_lines
from qnnsolve.report.searching import SearchWords, amount, search_head
from qnnsolve.report.solve import cost_line, head
from qnnsolve.results import (
    CompareResult,
    Decibels,
    ExportResult,
    NodeRecord,
    OutputCheck,
    Placement,
    SearchPoint,
    SearchResult,
    SolveResult,
    UniformRecord,
    in_words,
)
from qnnsolve.runs import Run

__all__ = ["parts_of"]

_MODEL = "model"


def parts_of(answer: object) -> Iterator[str]:
    """The pieces of HTML that show ``answer``.

    Raises:
        TypeError: it is none of the answers of this library.
    """
    match answer:
        case Run():
            yield from _run(answer)
        case SolveResult():
            yield from _solve(answer, _MODEL)
        case ExportResult():
            yield from _export(answer, _MODEL)
        case SearchResult():
            yield from _search(answer, _MODEL)
        case CompareResult():
            yield lines_html(compare_head(answer, _MODEL))
            yield HtmlTable(
                "Nodes", ("node", "op", "module", "encoding", "own", "accumulated"), _nodewise(answer)
            ).html()
        case WhyNot():
            yield lines_html(why_lines([answer]))
            if answer.difference is not None:
                yield folded("everything that changes", "".join(_changes(answer.difference)))
        case RunDifference():
            yield lines_html([*difference_lines(answer, "one", "other")][:2])
            yield from _changes(answer)
        case Alternatives():
            yield _alternatives(answer)
        case Clash():
            yield lines_html([*clash_lines([answer])][2:])
        case Repair():
            yield lines_html([*repair_lines([answer])][1:])
        case Answers():
            rows = [list(map(str, each.values)) for each in answer.answers]
            yield lines_html([Line(answer.question, "bold"), Line(count(answer.total, "answer"))])
            yield HtmlTable("", answer.variables, rows).html()
        case _:
            raise TypeError(f"{type(answer).__name__} is no answer of qnnsolve")


def _run(run: Run) -> Iterator[str]:
    model = run.about["model"] or _MODEL
    if run.export is not None:
        yield from _export(run.export, model)
    elif run.search is not None:
        yield from _search(run.search, model)
        yield folded("the last point", "".join(_solve(run.result, model)))
    else:
        yield from _solve(run.result, model)


def _solve(result: SolveResult, model: str) -> Iterator[str]:
    yield lines_html([*head(result, model), *([] if result.cost is None else [cost_line(result)])])
    conflicts = [[each.text, ", ".join(each.nodes), "; ".join(each.constraints)] for each in result.conflicts]
    yield HtmlTable("Conflicts", ("conflict", "at", "because"), conflicts).html()
    deviations = [
        [
            node.name,
            node.target,
            node.module_path,
            deviation.site,
            deviation.requested,
            deviation.chosen,
            f"{deviation.reason} [{deviation.rule}]",
        ]
        for node in result.nodes
        for deviation in node.deviations
    ]
    columns = ("node", "op", "module", "where", "asked", "chosen", "because")
    yield HtmlTable(f"Deviations ({len(deviations)})", columns, deviations).html()
    converts: list[list[HtmlCell | str]] = [
        [
            convert.producer,
            convert.user,
            convert.source,
            convert.target,
            _count(convert.numel),
            _count(convert.price),
            f"{convert.reason} [{convert.rule}]",
        ]
        for convert in result.converts
    ]
    columns = ("from", "to", "is", "becomes", "elements", "cost", "because")
    yield HtmlTable(f"Converts ({len(converts)})", columns, converts).html()
    yield folded(f"all {len(result.nodes):,} nodes", _nodes(result.nodes))


def _nodes(nodes: Sequence[NodeRecord]) -> str:
    rows: list[list[HtmlCell | str]] = [
        [
            HtmlCell(str(at), at),
            node.name,
            node.qnn_op or node.target,
            node.module_path,
            ", ".join(encoding for _, encoding in node.inputs),
            node.output or "",
            "" if node.placement is Placement.NONE else node.placement.value,
        ]
        for at, node in enumerate(nodes)
    ]
    return HtmlTable("Nodes", ("", "node", "op", "module", "inputs", "output", "runs on"), rows).html()


def _export(result: ExportResult, model: str) -> Iterator[str]:
    lines = [line for line in program(result) if line.text]
    yield lines_html([*head(result.solve, model), *lines])
    verification = result.verification
    checks = {} if verification is None else {each.index: each for each in verification.outputs}
    near = {each.index: each.sqnr for each in result.converted}
    rows = [_output(index, checks.get(index), near.get(index)) for index in sorted({*checks, *near})]
    yield HtmlTable("Outputs", ("output", "verdict", "emulator", "converted", "largest error"), rows).html()
    yield folded("the solve", "".join(_solve(result.solve, model)))


def _output(index: int, check: OutputCheck | None, near: Decibels | None) -> list[HtmlCell | str]:
    emulator = None if check is None else check.emulator
    error: HtmlCell | str = "" if check is None else HtmlCell(in_words(check), check.max_rel)
    return [
        HtmlCell(str(index), index),
        "" if check is None else check.verdict.value,
        _decibels(None if emulator is None else emulator.together),
        _decibels(None if near is None else near.together),
        error,
    ]


def _search(result: SearchResult, model: str) -> Iterator[str]:
    yield lines_html(search_head(result, SearchWords(model)))
    known: list[SearchPoint | UniformRecord] = [*result.points, *result.uniforms]
    costs = list(dict.fromkeys(cost for each in known for cost in each.amounts))
    metric = any(each.metric is not None for each in known)
    names = [*(f"point {at}" for at in range(1, len(result.points) + 1)), *(each.name for each in result.uniforms)]
    rows = [_figures(name, each, costs, metric=metric) for name, each in zip(names, known, strict=True)]
    columns = ["", *costs, "predicted", "measured", *(["metric"] if metric else [])]
    yield HtmlTable("Points and uniform candidates", columns, rows).html()
    noisy: list[list[HtmlCell | str]] = [
        [each.site, each.encoding, _decibels(each.db)] for each in result.sensitivities
    ]
    inside = HtmlTable("SQNR if nothing else were rounded (estimate)", ("where", "encoding", "SQNR"), noisy).html()
    yield folded("the noisiest sites", inside)


def _figures(
    name: str, each: SearchPoint | UniformRecord, costs: Sequence[str], *, metric: bool
) -> list[HtmlCell | str]:
    amounts = [HtmlCell(amount(cost, each.amounts[cost]), each.amounts[cost]) for cost in costs]
    own = [HtmlCell("" if each.metric is None else f"{each.metric:.6g}", each.metric)] if metric else []
    return [name, *amounts, _decibels(each.predicted_db), _decibels(each.measured_db), *own]


def _nodewise(result: CompareResult) -> list[list[HtmlCell | str]]:
    return [
        [
            node.name,
            node.target,
            node.module_path,
            node.encoding or "",
            _decibels(node.own.together),
            _decibels(node.accumulated.together),
        ]
        for node in result.nodes
    ]


def _changes(found: RunDifference) -> Iterator[str]:
    changes = [
        [change.node, change.target, change.module_path, change.port, change.before, change.after]
        for change in found.changes
    ]
    yield HtmlTable("Other encodings", ("node", "op", "module", "port", "before", "after"), changes).html()
    moved = [[each.node, each.target, each.module_path, each.before, each.after] for each in found.moved]
    yield HtmlTable("Elsewhere", ("node", "op", "module", "before", "after"), moved).html()
    for title, converts in (("More converts", found.converts_added), ("Fewer converts", found.converts_removed)):
        rows: list[list[HtmlCell | str]] = [
            [convert.producer, convert.user, convert.source, convert.target, _count(convert.numel)]
            for convert in converts
        ]
        yield HtmlTable(title, ("from", "to", "is", "becomes", "elements"), rows).html()


def _alternatives(answer: Alternatives) -> str:
    ports = [port for port, _ in answer.found[0].encodings] if answer.found else []
    rows: list[list[HtmlCell | str]] = [
        [
            _count(each.price),
            *(encoding for _, encoding in each.encodings),
            "the answer" if each.chosen else each.tips[0].text if each.tips else "",
        ]
        for each in answer.found
    ]
    title = f"{answer.node} ({answer.target}){f': {answer.cut_off}' if answer.cut_off else ''}"
    return HtmlTable(title, ("price", *ports, "mostly for"), rows).html() or lines_html([Line(title)])


def _count(number: int | None) -> HtmlCell:
    return HtmlCell("", -1) if number is None else HtmlCell(f"{number:,}", number)


def _decibels(value: float | None) -> HtmlCell:
    """Sorted as a number, those that are not known first."""
    return HtmlCell("", -math.inf) if value is None else HtmlCell(f"{value:.2f} dB", value)
