"""The command ``qnnsolve``: what people type, and the exit code they get.

Exit codes: 0 done; 1 no legal config (or strict mode met ops without facts, or a limit was hit); 2 usage; 3 this
machine lacks what is needed, or the compiler failed; 4 the emulator disagrees with the converted model; 70 a bug; 130
Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

from qnnsolve.arguments import check_names, check_output, parser
from qnnsolve.errors import MismatchError, QnnSolveError

if TYPE_CHECKING:
    from qnnsolve.results import ExportResult, SolveResult

__all__ = ["main"]

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Never raises but for ``--help`` and ``--version`` (``SystemExit(0)``)."""
    from qnnsolve.terminal import report_stream

    typed = list(sys.argv[1:] if argv is None else argv)
    as_json = _wants_json(typed)
    try:
        arguments = parser().parse_args(typed)
        with report_stream(arguments.verbose) as stdout:
            return _COMMANDS[arguments.command](arguments, stdout)
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
    print(message if exit_code == EXIT_INTERNAL else f"error: {message}", file=sys.stderr)
    if as_json:
        from qnnsolve.report_json import dumps, error_json

        print(dumps(error_json(error, exit_code, message)))
    return exit_code


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "soc": arguments.soc,
        "precision": arguments.precision,
        "backend": arguments.backend,
        "strict": arguments.strict,
        "block_size": arguments.block_size,
    }


def _solve(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.references import locate

    check_names(arguments)
    reference = locate(arguments.model, "model", (".pt2",))

    from qnnsolve import pipeline, report, report_json
    from qnnsolve.inputs import load_model
    from qnnsolve.samples import calibration_samples
    from qnnsolve.terminal import progress_bar

    model = load_model(reference)
    examples = model.example_inputs or calibration_samples(model, None)[0]
    with progress_bar() as progress:
        result = pipeline.solve(model.model, examples, **_request(arguments), progress=progress)
    if arguments.format == "json":
        print(report_json.dumps(report_json.solve_json(result, arguments.model)), file=stdout)
    else:
        report.print_lines(report.solve_lines(result, arguments.model), stdout)
    return _solve_exit(result, arguments.strict)


def _solve_exit(result: SolveResult, strict: bool) -> int:
    from qnnsolve.results import Status

    if result.status is not Status.SATISFIABLE:
        print(f"error: {result.status.value}: no config to use; the report says why", file=sys.stderr)
        return 1
    if strict and result.unverified:
        names = ", ".join(f"{name} ({target})" for name, target in result.unverified)
        print(f"error: no facts for {names}; --lenient leaves them float", file=sys.stderr)
        return 1
    return 0


def _export(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.references import locate

    check_names(arguments)
    check_output(arguments.out)
    reference = locate(arguments.model, "model", (".pt2",))
    data = arguments.calibration and locate(arguments.calibration, "calibration", (".npz", ".pt"))

    from qnnsolve import host

    host.ensure_compiler(arguments.backend)

    from qnnsolve import pipeline, report, report_json
    from qnnsolve.inputs import load_model
    from qnnsolve.samples import calibration_samples
    from qnnsolve.terminal import progress_bar

    model = load_model(reference)
    samples = calibration_samples(model, data or None)
    with progress_bar() as progress:
        result = pipeline.export(
            model.model,
            model.example_inputs or samples[0],
            out=arguments.out,
            **_request(arguments),
            calibration=samples,
            verify=not arguments.no_verify,
            tolerance=arguments.tolerance,
            progress=progress,
        )
    if arguments.format == "json":
        print(report_json.dumps(report_json.export_json(result, arguments.model)), file=stdout)
    else:
        report.print_lines(report.export_lines(result, arguments.model), stdout)
    return _export_exit(result, arguments.strict)


def _export_exit(result: ExportResult, strict: bool) -> int:
    solved = _solve_exit(result.solve, strict)
    if solved or result.verification is None or result.verification.agrees:
        return solved
    worst = result.verification.emulator_vs_converted_max_rel
    print(
        f"error: the emulator differs from the converted model by {worst * 100:.3g} % of the output's range; "
        f"{result.pte} is kept",
        file=sys.stderr,
    )
    return MismatchError.exit_code


_COMMANDS: dict[str, Callable[[argparse.Namespace, IO[str]], int]] = {"export": _export, "solve": _solve}
