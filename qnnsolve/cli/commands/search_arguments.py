"""The arguments of ``qnnsolve search``: :func:`search_arguments`."""

from __future__ import annotations

import argparse
import contextlib
import math

from qnnsolve.cli.arguments import whole_number
from qnnsolve.cli.commands.models import CALIBRATION_HELP, DEFAULT_SAMPLES

__all__ = ["search_arguments"]

POINTS = 10


def search_arguments(search: argparse.ArgumentParser) -> None:
    """Add them, but for those of the chip."""
    _wanted(search)
    _measured(search)
    _kept(search)


def _wanted(search: argparse.ArgumentParser) -> None:
    """What is looked for."""
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
        "converts=10, wide-ops=0.1, weight-bits=5, or of several weighed: bit-ops+0.5*weights=1.1; may be repeated",
    )
    search.add_argument(
        "--axis",
        metavar="COST",
        help="the cost along which points lie, or several weighed: bit-ops+0.01*converts (default: that of the first "
        "budget, or bit-ops)",
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


def _measured(search: argparse.ArgumentParser) -> None:
    """How it is measured, and where."""
    search.add_argument("--calibration", metavar="DATA", help=CALIBRATION_HELP)
    sensing = search.add_mutually_exclusive_group()
    sensing.add_argument(
        "--directions",
        type=whole_number("a number of backward passes"),
        metavar="K",
        help="backward passes per sample (default: 8; fewer from 9 samples on, down to 4)",
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
        help="take another tool's: AIMET's per_layer_quant_enabled.json or accuracy_list.json, or "
        "NAME_quantization_error.csv of "
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
        "--verify",
        action="store_true",
        help="compile each point with the real compiler and run it on the emulator",
    )
    search.add_argument(
        "--verify-samples",
        type=whole_number("a number of samples"),
        default=DEFAULT_SAMPLES,
        metavar="N",
        help="how many different samples the emulator runs (default: %(default)s)",
    )
    where = search.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=whole_number("a number of processes"),
        default=1,
        metavar="N",
        help="processes that measure and compile points, each with its share of the cores (default: this one)",
    )
    where.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask cluster that does, such as tcp://host:8786 (pip install 'qnnsolve[cluster]')",
    )


def _kept(search: argparse.ArgumentParser) -> None:
    """What is written."""
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
