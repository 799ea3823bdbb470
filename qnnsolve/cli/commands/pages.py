"""``qnnsolve page RUN`` and ``qnnsolve overlay RUN``, and ``--report`` and ``--overlay`` of the commands that solve."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from os import PathLike
from typing import IO

from qnnsolve.cli.checks import check_output
from qnnsolve.cli.commands.groups import CommandGroup

__all__ = ["check_report", "register"]


def register(group: CommandGroup) -> None:
    """Add the commands."""
    page = group.add(
        "page",
        _page,
        help="make a page to look at from a kept run",
        description="Make one HTML file of a kept run, which opens from disk and loads nothing. Needs no torch.",
    )
    page.add_argument("kept", metavar="RUN", help="a file of --save")
    page.add_argument("--out", "-o", required=True, metavar="FILE", help="the page to write: FILE.html")
    overlay = group.add(
        "overlay",
        _overlay,
        help="lay a kept run over a graph in Model Explorer",
        description="Write what a kept run chose as node data for Model Explorer, which shows it over the .pt2 that "
        "was solved, and over the .pte of an export. Needs no torch.",
    )
    overlay.add_argument("kept", metavar="RUN", help="a file of --save")
    overlay.add_argument("--out", "-o", required=True, metavar="FILE", help="the node data to write: FILE.json")


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


def _overlay(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    check_output(arguments.out, [("RUN", arguments.kept)])
    from qnnsolve.report.json_results import dumps
    from qnnsolve.report.overlay import write_overlay
    from qnnsolve.runs import load_run

    shown, made = write_overlay(load_run(arguments.kept), arguments.out)
    if arguments.format == "json":
        document = {"schema": "qnnsolve/overlay/1", "overlay": arguments.out, "nodes": shown, "not_exported": made}
        print(dumps(document), file=stdout)
    else:
        print(
            f"Overlay: {arguments.out}, {shown} nodes of the exported graph; {made} ops count to none of them",
            file=stdout,
        )
    return 0


def check_report(arguments: argparse.Namespace, others: Iterable[tuple[str, str | PathLike[str] | None]]) -> None:
    """Make sure that the files of ``--report`` and ``--overlay`` can be written, and are none of the ``others``.

    Raises:
        UsageError: it cannot, and why.
    """
    kept = [*others, ("the --save", arguments.save), ("the --save-recipe", arguments.save_recipe)]
    for option in ("report", "overlay"):
        path = getattr(arguments, option)
        if path is not None:
            check_output(path, kept, f"--{option}")
        kept.append((f"the --{option}", path))
