"""``qnnsolve rules`` and ``qnnsolve rule``: what the solver holds a config to, and why."""

from __future__ import annotations

import argparse
from typing import IO

from qnnsolve.cli.commands.groups import CommandGroup

__all__ = ["register"]


def register(group: CommandGroup) -> None:
    """Add both commands."""
    rules = group.add(
        "rules",
        _rules,
        help="list the rules",
        description="List the rules that a config is held to: the common ones, and those of each backend.",
    )
    rules.add_argument("--backend", help="only the rules that hold for this backend")
    rule = group.add(
        "rule", _rule, help="explain one rule", description="Say why a rule exists and what to do instead."
    )
    rule.add_argument("code", metavar="CODE", help="the code that a report prints, such as QC001; or the rule's name")


def _rules(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.reference.rules import rule_views
    from qnnsolve.report import json_reference, json_results, reference

    views = rule_views(arguments.backend)
    if arguments.format == "json":
        print(json_results.dumps(json_reference.rules_json(views)), file=stdout)
    else:
        reference.print_blocks(reference.rules_blocks(views), stdout)
    return 0


def _rule(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.reference.examples import broken_config
    from qnnsolve.reference.rules import rule_view
    from qnnsolve.report import json_reference, json_results, reference

    view = rule_view(arguments.code)
    example = broken_config(view.code)
    if arguments.format == "json":
        print(json_results.dumps(json_reference.rule_json(view, example)), file=stdout)
    else:
        reference.print_blocks(reference.rule_blocks(view, example), stdout)
    return 0
