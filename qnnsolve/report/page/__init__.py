"""A solve as one HTML file to look at: :func:`write_page`. It opens from disk and loads nothing."""

from __future__ import annotations

import os

from qnnsolve.errors import UsageError
from qnnsolve.host.outputs import check_writable, put, spare_inputs, unfinished
from qnnsolve.report.page.document import PAGE_SCHEMA, document
from qnnsolve.report.page.html import html
from qnnsolve.results import CompareResult, ExportResult, SearchResult
from qnnsolve.runs import Run, Solved

__all__ = ["PAGE_SCHEMA", "document", "html", "write_page"]


def write_page(
    solved: Solved | Run,
    out: str | os.PathLike[str],
    *,
    model: str = "",
    export: ExportResult | None = None,
    search: SearchResult | None = None,
    compare: CompareResult | None = None,
) -> None:
    """Write the page of a solve to ``out``; an existing file is replaced only by a whole one.

    Args:
        solved: a solve, or a run that was kept.
        out: the file.
        model: what the model is called; a kept run knows its own, and what follows, too.
        export: what an export answered beside the solve.
        search: what a search answered whose last point this is.
        compare: what a comparison node by node answered.

    Raises:
        UsageError: it cannot be written there, or ``out`` is the run itself.
        RunError: the file of a run is damaged.
    """
    target = check_writable(out, "page")
    if isinstance(solved, Run):
        spare_inputs("out", target, [("the run", solved.path)])
    text = html(document(solved, model, export, search, compare))
    with unfinished(target) as partial:
        try:
            partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"page {target} cannot be written: {error.strerror}") from error
        put(partial, target)
