"""``qnnsolve facts show``, ``list`` and ``diff``: what is known about operators."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qnnsolve.cli.arguments import facts_arguments, operator_arguments
from qnnsolve.cli.commands.groups import CommandGroup
from qnnsolve.errors import UsageError

if TYPE_CHECKING:
    from qnnsolve.reference.operators import FactsOf

__all__ = ["register"]


def register(group: CommandGroup) -> None:
    """Add the commands."""
    show = group.add(
        "show",
        _show,
        help="everything that is known about one operator",
        description="Show which tuples of dtypes an operator accepts, on whose word, and which only look accepted.",
    )
    show.add_argument("op", metavar="OPERATOR", help="a QNN operator, such as MatMul (qnnsolve facts list has them)")
    operator_arguments(show)
    facts_arguments(show)
    listed = group.add(
        "list", _list, help="the operators that something is known about", description="List the operators with facts."
    )
    operator_arguments(listed)
    facts_arguments(listed)
    diff = group.add(
        "diff",
        _diff,
        help="where two sources of facts differ",
        description="Compare two sources of facts, row by row; exit 1 where they differ. A source is 'measured' (what "
        "ships), 'sdk' (BackendOpInfo, with --soc), a folder or file of tables, or a TOML file of your own facts, "
        "which stands for the measured facts as it changes them.",
    )
    diff.add_argument("one", metavar="A", help="a source of facts")
    diff.add_argument("other", metavar="B", help="another one")
    diff.add_argument("--op", metavar="OPERATOR", help="only this operator")
    operator_arguments(diff)


def _asked(arguments: argparse.Namespace) -> tuple[str | None, tuple[str, ...], FactsOf]:
    """The chipset as its table writes it, the archs that it stands for (all where none was named), and their facts.

    Raises:
        UsageError: an unknown backend, chipset or facts source, a chipset without the backend's accelerator, or none
            where only the SDK is to be asked.
        FactsError: a file of the user's facts says what cannot be.
    """
    from qnnsolve.facts.backends import backend
    from qnnsolve.facts.socs import soc
    from qnnsolve.facts.user_file import read_user_facts
    from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, facts_source, operator_facts

    known, source = backend(arguments.backend), facts_source(arguments.facts_source)
    user = read_user_facts(arguments.facts, arguments.backend)
    if arguments.soc is None and source is FactsSource.SDK:
        raise UsageError("--facts-source sdk goes with --soc: the SDK is asked about a chipset")
    chip = None if arguments.soc is None else soc(arguments.soc, user.socs)

    def facts(arch: str) -> OperatorFacts:
        return operator_facts(arguments.backend, arch, chip, source, user)

    return (None, known.archs, facts) if chip is None else (chip.name, (known.arch(chip),), facts)


def _show(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.reference.operators import operator_view
    from qnnsolve.report import json_reference, json_results, reference

    soc, archs, facts = _asked(arguments)
    view = operator_view(arguments.op, arguments.backend, archs, facts)
    if arguments.format == "json":
        print(json_results.dumps(json_reference.operator_json(view, soc)), file=stdout)
    else:
        reference.print_blocks(reference.operator_blocks(view, soc), stdout)
    return 0


def _list(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.reference.operators import operator_names, operator_view
    from qnnsolve.report import json_reference, json_results, reference

    soc, archs, facts = _asked(arguments)
    names = operator_names(arguments.backend, archs, facts)
    views = [operator_view(op, arguments.backend, archs, facts) for op in names]
    if arguments.format == "json":
        document = json_reference.operators_json(views, arguments.backend, soc)
        print(json_results.dumps(document), file=stdout)
    else:
        reference.print_blocks(reference.operators_blocks(views), stdout)
    return 0


def _diff(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.facts.socs import soc
    from qnnsolve.facts.user_file import read_user_facts
    from qnnsolve.reference.differences import differences, side
    from qnnsolve.report import facts, json_results

    own = [name for name in (arguments.one, arguments.other) if name.endswith(".toml") and Path(name).is_file()]
    added = read_user_facts(own, arguments.backend).socs
    chip = None if arguments.soc is None else soc(arguments.soc, added)
    one, other = (side(name, arguments.backend, chip) for name in (arguments.one, arguments.other))
    found = differences(one, other, arguments.op)
    if arguments.format == "json":
        print(json_results.dumps(facts.diff_json(found, one.name, other.name)), file=stdout)
    else:
        for line in facts.diff_lines(found, one.name, other.name):
            print(line, file=stdout)
    return 1 if found else 0
