"""The command ``qnnsolve``: what people type, and the exit code they get.

Exit codes: 0 done; 1 no legal config (or strict mode met ops without facts, or a limit was hit), or facts differ; 2
usage; 3 this machine lacks what is needed, or the compiler failed; 4 the emulator disagrees with the converted model; 5
an output is less near to the float model than was asked for; 70 a bug; 130 Ctrl-C; 143 SIGTERM. Each command is in a
module of :mod:`qnnsolve.cli.commands`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qnnsolve.host.collecting import collect_seldom
from qnnsolve.host.stopping import Stop, stoppable

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]

EXIT_INTERNAL = 70
LONGEST = 20_000
"""Characters of an error that are printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Never raises but for ``--help`` and ``--version`` (``SystemExit(0)``).

    Little is imported before signals are taken care of.
    """
    if argv is None:  # the process is ours
        collect_seldom()
    _open_streams()
    typed = list(sys.argv[1:] if argv is None else argv)
    with stoppable(restore=argv is not None) as stop:
        try:
            code = _ended(typed, stop)
        finally:
            stop.final = True
            from qnnsolve.host.leftovers import clear

            clear()
    if stop.signal is not None and argv is None:
        # Python (3.11) ends itself by SIGINT, whatever the code, once an interrupt has passed through its own exec().
        os._exit(code)  # the line has been flushed
    return code


def _ended(typed: Sequence[str], stop: Stop) -> int:
    """The exit code, once the end has been told."""
    as_json, parsed, began = _wants_json(typed), False, time.perf_counter()
    try:
        arguments = _parsed(typed)
        arguments.began = began
        parsed = True
        code = _run(arguments)
        stop.final = True
        return code
    except BrokenPipeError:  # whoever read the report (head, less) has gone
        stop.final = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except BaseException as error:  # the one place that may: users see no traceback
        stop.final = True
        if isinstance(error, SystemExit) and not parsed:  # --help and --version
            raise
        if stop.signal is not None or isinstance(error, KeyboardInterrupt):
            return _fail(error, "interrupted", stop.exit_code, as_json)
        from qnnsolve.errors import QnnSolveError
        from qnnsolve.foreign import said

        if isinstance(error, QnnSolveError):
            return _fail(error, str(error), error.exit_code, as_json)
        if os.environ.get("QNNSOLVE_TRACEBACK"):
            raise
        hint = "please report; run with QNNSOLVE_TRACEBACK=1 for the traceback"
        return _fail(error, f"internal error: {said(error)}, {hint}", EXIT_INTERNAL, as_json)


def _parsed(typed: Sequence[str]) -> argparse.Namespace:
    from qnnsolve.cli.commands import parser
    from qnnsolve.errors import UsageError

    if sys.stdout is None:
        raise UsageError("stdout is closed: there is nowhere to write the report")
    return parser().parse_args(typed)


def _run(arguments: argparse.Namespace) -> int:
    from qnnsolve.cli.terminal import report_stream
    from qnnsolve.host.leftovers import torch_cache

    with torch_cache(), report_stream(arguments.verbose) as stdout:
        code: int = arguments.run(arguments, stdout)
        return code


def _open_streams() -> None:
    """Where a stream is closed, its descriptor would be given to the next file that is opened: give it to none."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  # for the life of the process
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _wants_json(typed: Sequence[str]) -> bool:
    """Also where the arguments do not parse."""
    joined = "\0".join(typed)
    return "--format=json" in typed or "--format\0json" in joined


def _fail(error: BaseException, message: str, exit_code: int, as_json: bool) -> int:
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())  # conflicts have a line each
    line = line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."
    from qnnsolve.cli.terminal import unheeded

    with unheeded(sys.stderr):
        print(line if exit_code == EXIT_INTERNAL else f"error: {line}", file=sys.stderr, flush=True)
    if sys.stdout is not None:
        with unheeded(sys.stdout):
            if as_json:
                from qnnsolve.report.json_results import dumps, error_json

                print(dumps(error_json(error, exit_code, message[:LONGEST])))
            sys.stdout.flush()
    return exit_code
