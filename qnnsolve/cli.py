"""The command ``qnnsolve``: what people type, and the exit code they get.

Exit codes: 0 done; 1 no legal config (or strict mode met ops without facts, or a limit was hit); 2 usage; 3 this machine
lacks what is needed, or the compiler failed; 4 the emulator disagrees with the converted model; 70 a bug; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from qnnsolve import __version__
from qnnsolve.errors import MismatchError, QnnSolveError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from qnnsolve.results import ExportResult, SolveResult

__all__ = ["main"]

BACKENDS = ("htp",)
DEFAULT_PRECISION = "8a8w"
DEFAULT_TOLERANCE = 0.01

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

_EXITS = """exit codes:
  0  done
  1  no legal config exists; or --strict and ops without facts; or a limit was hit
  2  wrong usage or input
  3  this machine lacks what is needed (Qualcomm's HTP libraries), or the compiler failed
  4  the emulator disagrees with the converted model; the .pte is kept"""

_MODEL_HELP = """a .pt2 file of torch.export.save, or module:callable (also file.py:callable); the callable takes nothing
and returns (nn.Module, example_inputs) or (nn.Module, example_inputs, iterable of calibration inputs)"""

_CALIBRATION_HELP = """an .npz with one array per input (named like it, or arr_0, arr_1 ...; the first axis counts samples), a
.pt with a list of tuples of tensors or a dict of stacked tensors, or module:callable. Default: what MODEL's callable
returns as its third item, else the example inputs"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing a usage text and exiting, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="qnnsolve",
        description="One consistent, legal quantization config for a PyTorch model on Qualcomm's QNN backend.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"qnnsolve {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    export = commands.add_parser(
        "export",
        help="solve, calibrate, lower to a .pte, and compare it with the model",
        description="Export a model to a .pte for one SoC: solve, annotate, calibrate, convert, lower, verify, report.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common_arguments(export)
    export.add_argument("--out", "-o", required=True, metavar="FILE", help="the .pte to write; replaced only when done")
    export.add_argument("--calibration", metavar="DATA", help=_CALIBRATION_HELP)
    export.add_argument("--no-verify", action="store_true", help="do not run the .pte on the emulator")
    export.add_argument(
        "--tolerance",
        type=_tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="FRACTION",
        help="largest error of the emulator against the converted model, as a fraction of the output's range "
        "(default: %(default)s)",
    )
    solve = commands.add_parser(
        "solve",
        help="stop after the solve and report it",
        description="Find the config for a model on one SoC and report it; writes nothing and needs no HTP libraries.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common_arguments(solve)
    return parser


def _common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    parser.add_argument("--soc", required=True, help="a chipset of ExecuTorch's table, such as SM8350 or SM8750")
    parser.add_argument(
        "--precision",
        default=DEFAULT_PRECISION,
        help="8a8w, 16a8w, 16a4w, 16a4w_block, 16a16w, 8a4w, 16a2w or fp16a8w: bits of activations and of weights "
        "(default: %(default)s)",
    )
    parser.add_argument("--block-size", type=_block_size, metavar="N", help="weights per block, with 16a4w_block")
    parser.add_argument("--backend", default="htp", help="htp (default: %(default)s)")
    strictness = parser.add_mutually_exclusive_group()
    strictness.add_argument("--strict", dest="strict", action="store_true", help="refuse ops without facts")
    strictness.add_argument(
        "--lenient", dest="strict", action="store_false", help="leave ops without facts float, and say so (default)"
    )
    parser.set_defaults(strict=False)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the report on stdout")
    parser.add_argument("--verbose", "-v", action="store_true", help="show warnings and logs of torch and ExecuTorch")


def _tolerance(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a fraction such as 0.01")
    return value


def _block_size(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a block size")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Never raises but for ``--help`` and ``--version`` (``SystemExit(0)``)."""
    from qnnsolve.terminal import report_stream

    typed = list(sys.argv[1:] if argv is None else argv)
    as_json = _wants_json(typed)
    try:
        arguments = _parser().parse_args(typed)
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


def _check_names(arguments: argparse.Namespace) -> None:
    """Names first: they cost nothing, and torch is not even imported.

    Raises:
        UsageError: an unknown SoC, precision or backend, or a block size that nothing uses.
    """
    from qnnsolve.facts.socs import soc
    from qnnsolve.rules.request import precision

    arguments.soc = soc(arguments.soc).name
    precision(arguments.precision)
    if arguments.backend not in BACKENDS:
        raise UnknownNameError("backend", arguments.backend, BACKENDS)
    if arguments.block_size is not None and not precision(arguments.precision).per_block:
        raise UsageError(f"--block-size goes with --precision 16a4w_block, not {arguments.precision}")


def _check_output(text: str) -> None:
    """Raises:
    UsageError: the file could not be written, once an export is done.
    """
    path = Path(text)
    if path.is_dir():
        raise UsageError(f"--out {text} is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"--out {text}: no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"--out {text}: the folder {path.parent} cannot be written")
    if path.exists() and not path.is_file():
        raise UsageError(f"--out {text} is not a file")


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

    _check_names(arguments)
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

    _check_names(arguments)
    _check_output(arguments.out)
    reference = locate(arguments.model, "model", (".pt2",))
    data = arguments.calibration and locate(arguments.calibration, "calibration", (".npz", ".pt"))

    from qnnsolve import host, pipeline, report, report_json
    from qnnsolve.inputs import load_model
    from qnnsolve.samples import calibration_samples
    from qnnsolve.terminal import progress_bar

    host.ensure_loaded()
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
