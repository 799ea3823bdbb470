"""``qnnsolve compare``: where a model loses accuracy, node by node."""

from __future__ import annotations

import argparse
from typing import IO

from qnnsolve.cli.arguments import request_arguments, whole_number
from qnnsolve.cli.checks import check_kept, check_names
from qnnsolve.cli.commands.groups import CommandGroup
from qnnsolve.cli.commands.models import CALIBRATION_HELP, decibels, files_of, request_of
from qnnsolve.cli.commands.pages import check_report
from qnnsolve.results import BOUND_DB
from qnnsolve.verification.verified_samples import VERIFIED_SAMPLES

__all__ = ["register"]


def register(group: CommandGroup) -> None:
    """Add the command."""
    compare = group.add(
        "compare",
        _compare,
        help="where accuracy is lost: each node against the float model",
        description="Quantize a model as solved for, and compare each node with the float model: its own error, and "
        "what has accumulated.",
    )
    request_arguments(compare)
    compare.add_argument("--calibration", metavar="DATA", help=CALIBRATION_HELP)
    compare.add_argument(
        "--run",
        dest="kept",
        metavar="RUN",
        help="compare the config of this run, a file of --save; --pin counts over it",
    )
    compare.add_argument(
        "--bound",
        type=decibels,
        default=BOUND_DB,
        metavar="DB",
        help="name the first node whose SQNR is below this (default: %(default)s)",
    )
    compare.add_argument("--no-emulator", action="store_true", help="torch alone: nothing is compiled")
    compare.add_argument(
        "--verify-samples",
        type=whole_number("a number of samples"),
        default=VERIFIED_SAMPLES,
        metavar="N",
        help="how many different samples the emulator runs (default: %(default)s)",
    )


def _compare(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.models.locating import locate, source_of

    check_names(arguments)
    reference = locate(arguments.model, "model", (".pt2",))
    data = locate(arguments.calibration, "calibration", (".npz", ".pt")) if arguments.calibration else None
    read = [("MODEL", source_of(reference)), ("the --calibration", source_of(data)), ("the --run", arguments.kept)]
    read += files_of(arguments)
    check_kept(arguments.save, arguments.save_recipe, read)
    check_report(arguments, read)
    if arguments.kept is not None:
        from qnnsolve.pipeline.comparing import recipe_of
        from qnnsolve.runs import load_run

        recipe_of(load_run(arguments.kept), arguments.soc, arguments.backend)

    if not arguments.no_emulator:
        from qnnsolve.host import libraries

        libraries.ensure_compiler(arguments.backend)

    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.cli.timing import from_the_start
    from qnnsolve.models.files import load_model
    from qnnsolve.models.samples import calibration_samples
    from qnnsolve.pipeline.comparing import compare
    from qnnsolve.report import comparing, json_comparing, json_results, text

    model = load_model(reference)
    samples = calibration_samples(model, data)
    with progress_bar() as progress:
        result = compare(
            model.model,
            samples[0] if model.varying else model.example_inputs or samples[0],
            **request_of(arguments),
            run=arguments.kept,
            calibration=samples,
            bound=arguments.bound,
            emulator=not arguments.no_emulator,
            verify_samples=arguments.verify_samples,
            progress=progress,
        )
    result = from_the_start(result, arguments)
    if arguments.format == "json":
        print(json_results.dumps(json_comparing.compare_json(result, arguments.model)), file=stdout)
    else:
        text.print_lines(comparing.compare_lines(result, arguments.model, verbose=arguments.verbose), stdout)
    return 0
