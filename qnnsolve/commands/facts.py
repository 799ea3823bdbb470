"""``qnnsolve facts show`` and ``list``: what is known about operators."""

from __future__ import annotations

import argparse
from typing import IO

from qnnsolve.arguments import operator_arguments
from qnnsolve.commands.groups import Group

__all__ = ["register"]


def register(group: Group) -> None:
    """Add both commands."""
    show = group.add(
        "show",
        _show,
        help="everything that is known about one operator",
        description="Show which tuples of dtypes an operator accepts, on whose word, and which only look accepted.",
    )
    show.add_argument("op", metavar="OPERATOR", help="a QNN operator, such as MatMul (qnnsolve facts list has them)")
    operator_arguments(show)
    listed = group.add(
        "list", _list, help="the operators that something is known about", description="List the operators with facts."
    )
    operator_arguments(listed)


def _archs(arguments: argparse.Namespace) -> tuple[str | None, tuple[str, ...]]:
    """The chipset as its table writes it, and the archs that it stands for: all where none was named.

    Raises:
        UsageError: an unknown backend or chipset, or one without the backend's accelerator.
    """
    from qnnsolve.facts.backends import backend
    from qnnsolve.facts.socs import soc

    known = backend(arguments.backend)
    if arguments.soc is None:
        return None, known.archs
    chip = soc(arguments.soc)
    return chip.name, (known.arch(chip),)


def _show(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve import report_json, report_reference, report_reference_json
    from qnnsolve.reference.operators import operator_view

    soc, archs = _archs(arguments)
    view = operator_view(arguments.op, arguments.backend, archs)
    if arguments.format == "json":
        print(report_json.dumps(report_reference_json.operator_json(view, soc)), file=stdout)
    else:
        report_reference.print_blocks(report_reference.operator_blocks(view, soc), stdout)
    return 0


def _list(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve import report_json, report_reference, report_reference_json
    from qnnsolve.reference.operators import operator_names, operator_view

    soc, archs = _archs(arguments)
    views = [operator_view(op, arguments.backend, archs) for op in operator_names(arguments.backend)]
    if arguments.format == "json":
        document = report_reference_json.operators_json(views, arguments.backend, soc)
        print(report_json.dumps(document), file=stdout)
    else:
        report_reference.print_blocks(report_reference.operators_blocks(views), stdout)
    return 0
