"""``qnnsolve export`` and ``qnnsolve solve``: from a model to a config, or to a program."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from os import PathLike
from typing import IO, TYPE_CHECKING, Any

from qnnsolve.cli.arguments import cache_arguments, request_arguments, whole_number
from qnnsolve.cli.checks import check_kept, check_names, check_output
from qnnsolve.cli.commands.groups import CommandGroup
from qnnsolve.cli.commands.pages import check_report
from qnnsolve.errors import HostBackendError, MismatchError, PoorError

if TYPE_CHECKING:
    from qnnsolve.results import ExportResult, FirstDifference, SolveResult

__all__ = ["CALIBRATION_HELP", "decibels", "files_of", "register", "request_of", "solve_exit"]

DEFAULT_TOLERANCE = 0.01
DEFAULT_SAMPLES = 2

CALIBRATION_HELP = """an .npz with one array per input (named like it, or arr_0, arr_1 ...; the first axis counts
samples), a .pt with a list of tuples of tensors or a dict of stacked tensors, or module:callable. Default: what
MODEL's callable returns as its third item, else the example inputs"""


def register(group: CommandGroup) -> None:
    """Add both commands."""
    export = group.add(
        "export",
        _export,
        help="solve, calibrate, lower to a .pte, and compare it with the model",
        description="Export a model to a .pte for one SoC: solve, annotate, calibrate, convert, lower, verify, report.",
    )
    request_arguments(export)
    export.add_argument("--out", "-o", required=True, metavar="FILE", help="the .pte to write; replaced only when done")
    export.add_argument("--calibration", metavar="DATA", help=CALIBRATION_HELP)
    export.add_argument("--no-verify", action="store_true", help="do not run the .pte on the emulator")
    export.add_argument(
        "--tolerance",
        type=_tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="FRACTION",
        help="largest error of the emulator against the converted model, as a fraction of the output's range, that is "
        "not looked into; a larger one has to be rounding (default: %(default)s)",
    )
    export.add_argument(
        "--verify-samples",
        type=whole_number("a number of samples"),
        default=DEFAULT_SAMPLES,
        metavar="N",
        help="how many different samples the emulator runs: the example inputs, and some to calibrate with "
        "(default: %(default)s)",
    )
    export.add_argument(
        "--min-sqnr",
        type=decibels,
        metavar="DB",
        help="exit with 5 where an output has a lower SQNR against the float model, converted over all calibration "
        "samples or on the emulator (default: a warning under 20)",
    )
    cache_arguments(export)
    solve = group.add(
        "solve",
        _solve,
        help="stop after the solve and report it",
        description="Find the config for a model on one SoC and report it; needs no HTP libraries, and writes nothing "
        "but what --save and --report ask for.",
    )
    request_arguments(solve)


def _tolerance(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value) and value >= 0:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a fraction such as 0.01")


def decibels(text: str) -> float:
    """A number of decibels, as it was typed."""
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value):
            return value
    raise argparse.ArgumentTypeError(f"{text} is no number of decibels such as 20")


def request_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of :func:`qnnsolve.solve` that were typed."""
    return {
        "soc": arguments.soc,
        "precision": arguments.precision,
        "recipe": arguments.recipe,
        "backend": arguments.backend,
        "strict": arguments.strict,
        "block_size": arguments.block_size,
        "wishes": arguments.wishes,
        "unroll_limit": arguments.unroll,
        "time_limit": arguments.time_limit,
        "user_facts": arguments.facts,
        "facts_source": arguments.facts_source,
        "rules": arguments.rules,
        "save": arguments.save,
        "save_recipe": arguments.save_recipe,
        "report": arguments.report,
        "overlay": arguments.overlay,
        "model_name": arguments.model,
    }


def files_of(arguments: argparse.Namespace) -> list[tuple[str, str | PathLike[str] | None]]:
    """The files that are read beside the model and its samples, and what they are for."""
    facts = [("a file of --facts", path) for path in arguments.facts.paths]
    facts += [("a file of --rules", path) for path in arguments.rules]
    return [*facts, *(("a --recipe", path) for path in arguments.recipe.paths)]


def _solve(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.models.locating import locate, source_of

    check_names(arguments)
    reference = locate(arguments.model, "model", (".pt2",))
    read = [("MODEL", source_of(reference)), *files_of(arguments)]
    check_kept(arguments.save, arguments.save_recipe, read)
    check_report(arguments, read)

    from qnnsolve import pipeline
    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.cli.timing import from_the_start
    from qnnsolve.models.files import load_model
    from qnnsolve.models.samples import calibration_samples
    from qnnsolve.report import json_results, text

    model = load_model(reference)
    examples = model.example_inputs or calibration_samples(model, None)[0]
    with progress_bar() as progress:
        result = pipeline.solve(model.model, examples, **request_of(arguments), progress=progress)
    result = from_the_start(result, arguments)
    if arguments.format == "json":
        print(json_results.dumps(json_results.solve_json(result, arguments.model)), file=stdout)
    else:
        text.print_lines(text.solve_lines(result, arguments.model, verbose=arguments.verbose), stdout)
    return solve_exit(result, arguments.strict)


def solve_exit(result: SolveResult, strict: bool) -> int:
    """0, or 1 and a line to stderr where there is no config to use."""
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
    from qnnsolve.models.locating import locate, source_of

    check_names(arguments)
    reference = locate(arguments.model, "model", (".pt2",))
    data = locate(arguments.calibration, "calibration", (".npz", ".pt")) if arguments.calibration else None
    read = [("MODEL", source_of(reference)), ("the --calibration", source_of(data)), *files_of(arguments)]
    check_output(arguments.out, read)
    check_kept(arguments.save, arguments.save_recipe, [*read, ("the --out", arguments.out)])
    check_report(arguments, [*read, ("the --out", arguments.out)])

    from qnnsolve.host import libraries

    libraries.ensure_compiler(arguments.backend)

    from qnnsolve import pipeline
    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.cli.timing import from_the_start
    from qnnsolve.models.files import load_model
    from qnnsolve.models.samples import calibration_samples
    from qnnsolve.report import json_results, text

    model = load_model(reference)
    samples = calibration_samples(model, data)
    with progress_bar() as progress:
        result = pipeline.export(
            model.model,
            samples[0] if model.varying else model.example_inputs or samples[0],
            out=arguments.out,
            **request_of(arguments),
            calibration=samples,
            verify=not arguments.no_verify,
            verify_samples=arguments.verify_samples,
            tolerance=arguments.tolerance,
            cache=arguments.cache,
            progress=progress,
        )
    result = from_the_start(result, arguments)
    if arguments.format == "json":
        print(json_results.dumps(json_results.export_json(result, arguments.model)), file=stdout)
    else:
        least = text.LEAST_SQNR_DB if arguments.min_sqnr is None else arguments.min_sqnr
        text.print_lines(text.export_lines(result, arguments.model, least, verbose=arguments.verbose), stdout)
    return _export_exit(result, arguments.strict, arguments.no_verify) or _poor_exit(result, arguments.min_sqnr)


def _export_exit(result: ExportResult, strict: bool, unverified: bool) -> int:
    from qnnsolve.results import Verdict

    solved = solve_exit(result.solve, strict)
    if result.unrunnable and not solved and not unverified:
        listed = "; ".join(map(str, result.unrunnable))
        print(f"error: the program cannot run here: {listed}; {result.pte} is kept", file=sys.stderr)
        return HostBackendError.exit_code
    if not result.delegates and not solved:
        print(
            f"error: nothing of this model runs on the accelerator; the report says why; {result.pte} is kept",
            file=sys.stderr,
        )
        return 1
    if solved or result.verification is None or result.verification.agrees is not False:
        return solved
    wrong = [each for each in result.verification.outputs if each.verdict is Verdict.DISAGREES]
    worst = max(wrong, key=lambda output: output.max_rel)
    print(
        f"error: the emulator differs from the converted model at output {worst.index} by {worst.max_rel * 100:.3g} % "
        f"of its range, and not by rounding{_where(result.first_difference)}; {result.pte} is kept",
        file=sys.stderr,
    )
    return MismatchError.exit_code


def _where(found: FirstDifference | None) -> str:
    if found is None:
        return ""
    if found.reason:
        return f"; where cannot be told, since no value inside compiles as an output: {found.reason}"
    if found.node is None:
        return "; no node differs alone"
    return f"; the first node that differs{' by rounding' if found.verdict.value == 'rounding' else ''}: {found.node}"


def _poor_exit(result: ExportResult, least_db: float | None) -> int:
    from qnnsolve.report.accuracy import in_decibels, poor

    found = [] if least_db is None else poor(result, least_db)
    if not found:
        return 0
    index, where, sqnr = found[0]
    print(
        f"error: output {index} has {in_decibels(sqnr)} against the float model {where}, less than {least_db:g} dB; "
        f"{result.pte} is kept",
        file=sys.stderr,
    )
    return PoorError.exit_code
