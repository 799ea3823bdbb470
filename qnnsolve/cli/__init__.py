"""The command ``qnnsolve``: what people type, and the exit code they get.

Exit codes: 0 done; 1 no legal config (or strict mode met ops without facts, or a limit was hit), or facts differ; 2
usage; 3 this machine lacks what is needed, or the compiler failed; 4 the emulator disagrees with the converted model; 5
an output is less near to the float model than was asked for; 70 a bug; 130 Ctrl-C. Each command is in a module of
:mod:`qnnsolve.cli.commands`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from qnnsolve.cli.commands import parser
from qnnsolve.errors import QnnSolveError

__all__ = ["main"]

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Never raises but for ``--help`` and ``--version`` (``SystemExit(0)``)."""
    from qnnsolve.cli.terminal import report_stream

    typed = list(sys.argv[1:] if argv is None else argv)
    as_json = _wants_json(typed)
    try:
        arguments = parser().parse_args(typed)
        with report_stream(arguments.verbose) as stdout:
            code: int = arguments.run(arguments, stdout)
            return code
    except QnnSolveError as error:
        return _fail(error, str(error), error.exit_code, as_json)
    except KeyboardInterrupt as interrupt:
        return _fail(interrupt, "interrupted", EXIT_INTERRUPTED, as_json)
    except BrokenPipeError:
        # Whoever read the report (head, less) has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:  # the one place that may: users see no traceback
        if os.environ.get("QNNSOLVE_TRACEBACK"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "please report; run with QNNSOLVE_TRACEBACK=1 for the traceback"
        return _fail(error, f"internal error: {what}, {hint}", EXIT_INTERNAL, as_json)


def _wants_json(typed: Sequence[str]) -> bool:
    """Also where the arguments do not parse."""
    joined = "\0".join(typed)
    return "--format=json" in typed or "--format\0json" in joined


def _fail(error: BaseException, message: str, exit_code: int, as_json: bool) -> int:
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())  # conflicts have a line each
    print(line if exit_code == EXIT_INTERNAL else f"error: {line}", file=sys.stderr)
    if as_json:
        from qnnsolve.report.json_results import dumps, error_json

        print(dumps(error_json(error, exit_code, message)))
    return exit_code
