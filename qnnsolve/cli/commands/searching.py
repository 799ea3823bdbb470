"""``qnnsolve search``: from a model to the front of its mixed-precision configs."""

from __future__ import annotations

import argparse
import sys
from typing import IO, TYPE_CHECKING

from qnnsolve.cli.arguments import chip_arguments
from qnnsolve.cli.checks import check_chip, check_output
from qnnsolve.cli.commands.groups import CommandGroup
from qnnsolve.cli.commands.search_arguments import search_arguments
from qnnsolve.errors import MismatchError, PoorError
from qnnsolve.host.outputs import folder_for

if TYPE_CHECKING:
    from qnnsolve.results import SearchResult

__all__ = ["register"]


def register(group: CommandGroup) -> None:
    """Add the command."""
    search = group.add(
        "search",
        _search,
        help="search mixed precision: the least noise within budgets",
        description="Find legal configs that mix candidates, each with the least noise within a budget; predict and "
        "measure them.",
    )
    chip_arguments(search)
    search_arguments(search)


def _search(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.models.locating import locate, source_of
    from qnnsolve.pipeline.arguments import CANDIDATES
    from qnnsolve.search.budgets import axis_of, budgets_of, target_of
    from qnnsolve.search.candidates import Candidates
    from qnnsolve.search.layers import read_layers
    from qnnsolve.search.positions import positions_of
    from qnnsolve.search.workers import check_workers

    check_chip(arguments)
    candidates = tuple(arguments.candidates) or CANDIDATES
    Candidates.of(candidates, arguments.fixed, arguments.block_size)
    axis = axis_of(arguments.axis, budgets_of(arguments.budget))
    target = None if arguments.target is None else target_of(arguments.target)
    check_workers(arguments.workers, arguments.cluster, None)
    positions_of(arguments.positions)
    if arguments.sensitivities is not None:
        read_layers(arguments.sensitivities)
    reference = locate(arguments.model, "model", (".pt2",))
    data = locate(arguments.calibration, "calibration", (".npz", ".pt")) if arguments.calibration else None
    if arguments.recipes is not None:
        folder_for(arguments.recipes, "--recipes")
    read = [("MODEL", source_of(reference)), ("the --calibration", source_of(data))]
    read += [("a file of --facts", path) for path in arguments.facts.paths]
    read += [("the --sensitivities", arguments.sensitivities)]
    if arguments.out is not None:
        from qnnsolve.runs import check_target

        check_output(arguments.out, [*read, ("the --plot", arguments.plot)], "--out")
        check_target(arguments.out)
    if arguments.report is not None:
        check_output(
            arguments.report, [*read, ("the --out", arguments.out), ("the --plot", arguments.plot)], "--report"
        )
    if arguments.plot is not None:
        from qnnsolve.report.search_plot import check_plot

        check_plot(arguments.plot)
        check_output(arguments.plot, read, "--plot")

    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.models.files import load_model
    from qnnsolve.models.samples import calibration_samples
    from qnnsolve.report import json_results, json_search, searching, text
    from qnnsolve.search import door

    metric = arguments.metric or (None if target is None else target.metric)
    if metric is not None:
        from qnnsolve.search.measuring import metric_of

        metric_of(metric)
    model = load_model(reference)
    samples = calibration_samples(model, data)
    with progress_bar() as progress:
        result = door.search_config(
            model.model,
            samples[0] if model.varying else model.example_inputs or samples[0],
            soc=arguments.soc,
            candidates=candidates,
            fixed=arguments.fixed,
            budget=arguments.budget,
            target=arguments.target,
            points=1 if target is not None else arguments.points,
            axis=axis,
            calibration=samples,
            weights=dict(arguments.weights),
            positions=arguments.positions,
            directions=arguments.directions,
            measured=arguments.measured,
            sensitivities=arguments.sensitivities,
            metric=arguments.metric,
            alternatives=arguments.alternatives,
            measure=not arguments.no_measure,
            verify=arguments.verify,
            workers=arguments.workers,
            cluster=arguments.cluster,
            verify_samples=arguments.verify_samples,
            backend=arguments.backend,
            strict=arguments.strict,
            block_size=arguments.block_size,
            wishes=arguments.wishes,
            unroll_limit=arguments.unroll,
            time_limit=arguments.time_limit,
            user_facts=arguments.facts,
            facts_source=arguments.facts_source,
            recipes=arguments.recipes,
            out=arguments.out,
            report=arguments.report,
            model_name=arguments.model,
            progress=progress,
        )
    asked = searching.SearchWords(arguments.model, arguments.recipes)
    if arguments.plot is not None:
        from qnnsolve.report.search_plot import write_plot

        write_plot(result, asked, arguments.plot)
    if arguments.format == "json":
        print(json_results.dumps(json_search.search_json(result, asked)), file=stdout)
    else:
        text.print_lines(searching.search_lines(result, asked, verbose=arguments.verbose), stdout)
    return _search_exit(result)


def _search_exit(result: SearchResult) -> int:
    if not result.points:
        print("error: no config was found; the report says what was asked", file=sys.stderr)
        return 1
    wrong = [number for number, each in enumerate(result.points, 1) if each.program and not each.program.holds]
    if wrong:
        print(
            f"error: the program of point {wrong[0]} is not what was told of it; the report says how", file=sys.stderr
        )
        return MismatchError.exit_code
    target, point = result.target, result.points[0]
    if target is None or target.reached is not False:
        return 0
    measured = f"{point.measured_db:.2f} dB" if point.metric is None else f"{point.metric:g}"
    words = f"no config that was measured reaches {target}; the nearest measures {measured}"
    print(f"error: {words}. Other candidates or larger budgets may reach it", file=sys.stderr)
    return PoorError.exit_code
