"""What ``qnnsolve`` can be asked: one module per group of commands, none of which imports torch before it runs."""

from __future__ import annotations

import argparse

from qnnsolve import __version__
from qnnsolve.cli.arguments import EXITS, Parser
from qnnsolve.cli.commands import asking, comparing, facts, measuring, models, pages, questions, rules, searching
from qnnsolve.cli.commands.groups import CommandGroup

__all__ = ["parser"]


def parser() -> Parser:
    """The parser of the whole command; it raises :class:`UsageError` where argparse would exit."""
    top = Parser(
        prog="qnnsolve",
        description="One consistent, legal quantization config for a PyTorch model on Qualcomm's QNN backend.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"qnnsolve {__version__}")
    commands = CommandGroup(top.add_subparsers(dest="command", metavar="COMMAND", required=True))
    models.register(commands)
    searching.register(commands)
    comparing.register(commands)
    pages.register(commands)
    asking.register(commands)
    rules.register(commands)
    questions.register(commands)
    about = commands.group(
        "facts",
        help="what is known about operators: show, list, measure, verify, diff",
        description="What is known about the operators of a backend, and on whose word.",
    )
    facts.register(about)
    measuring.register(about)
    return top
