"""``qnnsolve page RUN``, and ``--report`` of the commands that solve: the page of a solve."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from os import PathLike
from typing import IO

from qnnsolve.cli.checks import check_output
from qnnsolve.cli.commands.groups import Group

__all__ = ["check_report", "register"]


def register(group: Group) -> None:
    """Add the command."""
    page = group.add(
        "page",
        _page,
        help="make a page to look at from a kept run",
        description="Make one HTML file of a kept run, which opens from disk and loads nothing. Needs no torch.",
    )
    page.add_argument("kept", metavar="RUN", help="a file of --save")
    page.add_argument("--out", "-o", required=True, metavar="FILE", help="the page to write: FILE.html")


def _page(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    check_output(arguments.out, [("RUN", arguments.kept)])
    from qnnsolve.report.json_results import dumps
    from qnnsolve.report.page import write_page
    from qnnsolve.runs import load_run

    write_page(load_run(arguments.kept), arguments.out)
    if arguments.format == "json":
        print(dumps({"schema": "qnnsolve/page/1", "page": arguments.out}), file=stdout)
    else:
        print(f"Page: {arguments.out}", file=stdout)
    return 0


def check_report(arguments: argparse.Namespace, others: Iterable[tuple[str, str | PathLike[str] | None]]) -> None:
    """Make sure that the page of ``--report`` can be written, and is none of the ``others``.

    Raises:
        UsageError: it cannot, and why.
    """
    if arguments.report is not None:
        kept = [("the --save", arguments.save), ("the --save-recipe", arguments.save_recipe)]
        check_output(arguments.report, [*others, *kept], "--report")
