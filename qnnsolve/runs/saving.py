"""A solve that is to be kept (:class:`Solved`), and its way into a file: :func:`save_run`."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from typing import Any

import attrs
from cattrs import Converter

from qnnsolve import __version__
from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import CompareResult, ExportResult, SearchResult, SolveResult
from qnnsolve.rules.base import Facts
from qnnsolve.runs.answers import answer_rows
from qnnsolve.runs.asked import asked_records
from qnnsolve.runs.converting import writer
from qnnsolve.runs.file import Row, Rows, digest, signed, write
from qnnsolve.runs.graph import built_rows, graph_rows
from qnnsolve.runs.ids import Met, compact
from qnnsolve.runs.operators import operator_rows
from qnnsolve.runs.problem import problem_rows
from qnnsolve.runs.schema import TABLES
from qnnsolve.solver import Limits, Solution, Unknown, Unsatisfiable

__all__ = ["Solved", "save_run"]

DISTRIBUTIONS = ("torch", "torchao", "executorch", "onnxruntime-qnn")
"""Whose versions a run names."""


@attrs.frozen(eq=False)
class Solved:
    """A solve with all that it was made from."""

    facts: Facts
    problem: Problem
    outcome: Solution | Unsatisfiable | Unknown
    result: SolveResult
    limits: Limits = attrs.field(factory=Limits)
    origins: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """The nodes that each op of the exported program became, by its name there; the first yields its result."""

    @property
    def encodings(self) -> Mapping[Site, Encoding]:
        """The encoding of every site under the solution; empty where there is none."""
        return self.outcome.encodings if isinstance(self.outcome, Solution) else {}


def save_run(
    path: str | os.PathLike[str],
    solved: Solved,
    *,
    model: str = "",
    export: ExportResult | None = None,
    search: SearchResult | None = None,
    compare: CompareResult | None = None,
) -> None:
    """Write ``solved`` to ``path``; an earlier run there is replaced, and only by a complete one.

    Args:
        path: the file.
        solved: what is kept. There are no weights in it.
        model: what the model is called.
        export: what an export answered beside the solve.
        search: what a search answered whose last point this is.
        compare: what a comparison node by node answered.

    Raises:
        UsageError: the file cannot be written, or something stands there that is no kept run.
    """
    write(path, _rows(solved, model, {"export": export, "search": search, "compare": compare}))


def _rows(solved: Solved, model: str, more: Mapping[str, ExportResult | SearchResult | CompareResult | None]) -> Rows:
    facts, problem, result = solved.facts, solved.problem, solved.result
    met = Met()
    convert = writer(met)
    convert.register_unstructure_hook(SolveResult, lambda _: None)  # tables have it
    for node in facts.graph:
        met.nodes(node.name)
    rows = graph_rows(facts.graph, met)
    rows |= built_rows(facts.built, met, convert)
    rows |= operator_rows(facts, met, convert)
    shares = {}
    if isinstance(solved.outcome, Solution):
        shares = {site: at for at, group in enumerate(solved.outcome.groups) for site in group}
    rows |= _given_records(solved, convert)
    rows |= problem_rows(facts, problem, met, solved.encodings, shares)
    rows |= answer_rows(problem, solved.outcome, result, met)
    rows["records"] = _records(solved, more, convert)
    rows |= met.rows()
    rows["about"] = _about(result, model, digest(rows, [each for each in TABLES if each.given]))
    return signed(rows)


def _given_records(solved: Solved, convert: Converter) -> dict[str, list[Row]]:
    settings = {"curated": solved.facts.operators.curated, "limits": solved.limits}
    return {
        "asked": [(compact(record),) for record in asked_records(solved.facts, convert)],
        "settings": [(name, compact(convert.unstructure(each))) for name, each in settings.items()],
    }


def _records(
    solved: Solved, more: Mapping[str, ExportResult | SearchResult | CompareResult | None], convert: Converter
) -> list[Row]:
    statistics = None if isinstance(solved.outcome, Unknown) else solved.outcome.statistics
    found: Mapping[str, Any] = {
        "calibration": convert.unstructure(solved.result.calibration),
        "notes": list(solved.result.notes),
        "origins": [[name, origin] for origin, names in solved.origins.items() for name in names],
        "statistics": convert.unstructure(statistics),
        "timings": list(solved.result.timings),
        **{name: convert.unstructure(each) for name, each in more.items()},
    }
    return [(name, compact(record)) for name, record in found.items() if record is not None]


def _about(result: SolveResult, model: str, content: str) -> list[Row]:
    found = {
        "model": model,
        "backend": result.backend,
        "soc": result.soc,
        "arch": result.arch,
        "precision": result.precision,
        "content": content,
        "qnnsolve": __version__,
    }
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return list(found.items())
