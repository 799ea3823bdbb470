"""The page that a notebook would show of ``examples/notebook.py``: its cells are run, one after the other.

::

    python -m examples.notebook_page notebook.html    # in the project's folder
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qnnsolve.report.notebook import page_of

__all__ = ["cells_of", "main", "run"]

NOTEBOOK = Path(__file__).with_name("notebook.py")


def cells_of(source: str) -> Iterator[str]:
    """The code of each cell: what stands between lines ``# %%``."""
    _, *cells = source.split("# %%\n")
    yield from (cell.strip() for cell in cells)


def run(cells: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Each cell whose last line is a value, with that value, as a notebook shows it."""
    names: dict[str, Any] = {}
    for cell in cells:
        *lines, last = ast.parse(cell).body
        shows = isinstance(last, ast.Expr)
        exec(compile(ast.Module(lines if shows else [*lines, last], []), "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            yield cell, eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def main() -> None:
    """Write the page to the file that is named on the command line."""
    page = page_of("qnnsolve in a notebook", run(cells_of(NOTEBOOK.read_text(encoding="utf-8"))))
    Path(sys.argv[1]).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
