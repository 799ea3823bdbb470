"""``qnnsolve search``: from a model to the front of its mixed-precision configs."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from typing import IO, TYPE_CHECKING

from qnnsolve.cli.arguments import chip_arguments, whole_number
from qnnsolve.cli.checks import check_chip, check_output
from qnnsolve.cli.commands.groups import Group
from qnnsolve.cli.commands.models import CALIBRATION_HELP
from qnnsolve.errors import PoorError
from qnnsolve.host.outputs import folder_for

if TYPE_CHECKING:
    from qnnsolve.results import SearchResult

__all__ = ["register"]

POINTS = 10


def register(group: Group) -> None:
    """Add the command."""
    search = group.add(
        "search",
        _search,
        help="search mixed precision: the least noise within budgets",
        description="Find legal configs that mix candidates, each with the least noise within a budget; predict and "
        "measure them.",
    )
    chip_arguments(search)
    search.add_argument(
        "--candidates",
        action="append",
        default=[],
        metavar="PRESETS",
        help="presets that any op may have (8a8w,16a8w), or those of one place (lm_head=16a8w); may be repeated "
        "(default: 8a8w,16a8w)",
    )
    search.add_argument(
        "--fixed",
        action="append",
        default=[],
        metavar="WHERE[=PRESET]",
        help="a place without a choice: it has PRESET, or the first candidate; may be repeated",
    )
    search.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="COST=NUMBER",
        help="the most of a cost: weights=0.6 (of the dearest candidate's), weights=1.5MB, activations, bit-ops=2G, "
        "converts=10, wide-ops=0.1, weight-bits=5; may be repeated",
    )
    search.add_argument(
        "--axis", metavar="COST", help="the cost along which points lie (default: that of the first budget, or bit-ops)"
    )
    how_many = search.add_mutually_exclusive_group()
    how_many.add_argument(
        "--points",
        type=whole_number("a number of points"),
        default=POINTS,
        metavar="N",
        help="points of the front, from the least of the axis to its budget (default: %(default)s)",
    )
    how_many.add_argument(
        "--target",
        metavar="'WHAT>=NUMBER'",
        help="instead of a front: the cheapest config that measures this, sqnr>=30 (decibel) or "
        "my_metrics:accuracy>=0.97 (see --metric)",
    )
    search.add_argument(
        "--alternatives",
        type=whole_number("a number of configs"),
        default=0,
        metavar="K",
        help="for each point K more configs that differ from it and from one another, the next best",
    )
    search.add_argument("--calibration", metavar="DATA", help=CALIBRATION_HELP)
    sensing = search.add_mutually_exclusive_group()
    sensing.add_argument(
        "--directions",
        type=whole_number("a number of backward passes"),
        metavar="K",
        help="backward passes per sample (default: 8; fewer from 17 samples on, down to 2)",
    )
    sensing.add_argument(
        "--measured",
        action="store_true",
        help="measure each encoding at each site alone, a pass per sample each, and do not differentiate; with "
        "--metric, what each takes from the metric",
    )
    sensing.add_argument(
        "--sensitivities",
        metavar="FILE",
        help="take another tool's: AIMET's per_layer_quant_enabled.json, or NAME_quantization_error.csv of "
        "ExecuTorch's PerLayerSqnrAnalyzer",
    )
    search.add_argument(
        "--weight",
        type=_weight,
        action="append",
        default=[],
        dest="weights",
        metavar="OUTPUT=NUMBER",
        help="what an output counts in the noise, by its place from 0, or the name of a state that the model writes "
        "(default: 1 each); may be repeated",
    )
    search.add_argument(
        "--positions",
        action="append",
        default=[],
        metavar="OUTPUT[INDEX]",
        help="what of an output counts, such as 0[:, -1] (default: all); may be repeated",
    )
    search.add_argument(
        "--metric",
        metavar="MODULE:CALLABLE",
        help="a function that takes a converted model to call and returns a number, more is better; each point "
        "is asked, and of two within the same budgets it decides",
    )
    search.add_argument("--no-measure", action="store_true", help="predict the points, do not convert and measure them")
    search.add_argument(
        "--out",
        metavar="FILE",
        help="keep the run of the last point there, and all that is measured, each value as it comes: a search that "
        "was killed goes on, one with other budgets measures nothing again",
    )
    search.add_argument("--recipes", metavar="DIR", help="write a recipe per point there: point-1.yaml ...")
    search.add_argument(
        "--report", metavar="FILE", help="write a page to look at: the front, and the last point node by node"
    )
    search.add_argument("--plot", metavar="FILE", help="draw the front: front.svg or front.png (needs matplotlib)")


def _weight(text: str) -> tuple[str, float]:
    output, _, number = text.rpartition("=")
    with contextlib.suppress(ValueError):
        value = float(number)
        if output.strip() and math.isfinite(value) and value >= 0:
            return output.strip(), value
    raise argparse.ArgumentTypeError(f"{text} is no weight such as 0=1: the place of an output, and what it counts")


def _search(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.models.locating import locate, source_of
    from qnnsolve.pipeline.arguments import CANDIDATES
    from qnnsolve.search.budgets import axis_of, budgets_of, target_of
    from qnnsolve.search.candidates import Candidates
    from qnnsolve.search.layers import read_layers
    from qnnsolve.search.positions import positions_of

    check_chip(arguments)
    candidates = tuple(arguments.candidates) or CANDIDATES
    Candidates.of(candidates, arguments.fixed, arguments.block_size)
    axis = axis_of(arguments.axis, budgets_of(arguments.budget))
    target = None if arguments.target is None else target_of(arguments.target)
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
    asked = searching.Asked(arguments.model, arguments.recipes)
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
    target, point = result.target, result.points[0]
    if target is None or target.reached is not False:
        return 0
    measured = f"{point.measured_db:.2f} dB" if point.metric is None else f"{point.metric:g}"
    words = f"no config that was measured reaches {target}; the nearest measures {measured}"
    print(f"error: {words}. Other candidates or larger budgets may reach it", file=sys.stderr)
    return PoorError.exit_code
