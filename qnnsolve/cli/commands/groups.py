"""How a command is added: its function, its texts, and the arguments that all of them take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, TypeAlias

import attrs

from qnnsolve.cli.arguments import EXITS, Parser, output_arguments

if TYPE_CHECKING:
    Parsers: TypeAlias = "argparse._SubParsersAction[Parser]"

__all__ = ["CommandGroup", "Run"]

Run: TypeAlias = Callable[[argparse.Namespace, IO[str]], int]
"""Runs a command: its arguments, and the stream that carries its report alone; the exit code."""


@attrs.frozen
class CommandGroup:
    """Commands side by side: ``qnnsolve solve``, or ``qnnsolve facts show``."""

    parsers: Parsers

    def add(self, name: str, run: Run, *, help: str, description: str) -> Parser:
        """Add a command that ``run`` runs; its arguments go into the parser that comes back."""
        parser = self.parsers.add_parser(
            name,
            help=help,
            description=description,
            epilog=EXITS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=run)
        output_arguments(parser)
        return parser

    def group(self, name: str, *, help: str, description: str) -> CommandGroup:
        """Add a command that has commands."""
        parser = self.parsers.add_parser(name, help=help, description=description)
        return CommandGroup(parser.add_subparsers(dest=f"{name} command", metavar="COMMAND", required=True))
