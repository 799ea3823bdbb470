"""A kept run as one HTML file to look at: :func:`write_page`. It opens from disk and loads nothing."""

from __future__ import annotations

import os

from qnnsolve.errors import UsageError
from qnnsolve.host.outputs import check_writable, put, spare_inputs, unfinished
from qnnsolve.report.page.document import PAGE_SCHEMA, document
from qnnsolve.report.page.html import html
from qnnsolve.runs import Run

__all__ = ["PAGE_SCHEMA", "document", "html", "write_page"]


def write_page(run: Run, out: str | os.PathLike[str]) -> None:
    """Write the page of ``run`` to ``out``; an existing file is replaced only by a whole one.

    Raises:
        UsageError: it cannot be written there, or ``out`` is the run itself.
        RunError: the run does not mean anything.
    """
    target = check_writable(out, "page")
    spare_inputs("out", target, [("the run", run.path)])
    text = html(document(run))
    with unfinished(target) as partial:
        try:
            partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"page {target} cannot be written: {error.strerror}") from error
        put(partial, target)
