"""The front of a search as a picture: :func:`write_plot`. Needs matplotlib, which is loaded only there."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

from qnnsolve.errors import UsageError
from qnnsolve.host.outputs import put, unfinished
from qnnsolve.report.searching import SearchWords
from qnnsolve.results import SearchPoint, SearchResult, UniformRecord

__all__ = ["check_plot", "write_plot"]

_KINDS = (".svg", ".png")
_UNITS = {"weights": "bytes", "activations": "bytes", "wide-ops": "share of ops", "weight-bits": "bits"}


def check_plot(file: str) -> None:
    """Make sure that a plot of this kind can be drawn; nothing is loaded.

    Raises:
        UsageError: another kind of file, or matplotlib is not installed.
    """
    if Path(file).suffix.lower() not in _KINDS:
        raise UsageError(f"--plot {file}: a plot is a {' or '.join(_KINDS)} file")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"--plot {file}: matplotlib is not installed; pip install 'qnnsolve[plot]', or matplotlib")


def write_plot(result: SearchResult, asked: SearchWords, file: str) -> None:
    """Draw SQNR over the cost of the axis: points measured and predicted, and the uniform candidates.

    The same result gives the same bytes with the same matplotlib. Figures that are not finite are left out.

    Raises:
        UsageError: as :func:`check_plot`.
    """
    check_plot(file)
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    target = Path(file)
    kind = target.suffix.lower().removeprefix(".")
    with matplotlib.rc_context({"svg.hashsalt": "qnnsolve", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        measured = _series(result.points, result.axis, measured=True)
        predicted = _series(result.points, result.axis, measured=False)
        if measured:
            axes.plot(*zip(*measured, strict=True), "o-", color="tab:blue", label="points, measured", gid="measured")
        if predicted:
            axes.plot(
                *zip(*predicted, strict=True), "x--", color="tab:gray", label="points, predicted", gid="predicted"
            )
        uniforms = [each for each in result.uniforms if math.isfinite(each.measured_db)]
        if uniforms:
            places = _series(uniforms, result.axis, measured=True)
            axes.plot(*zip(*places, strict=True), "s", color="tab:orange", label="uniform, measured", gid="uniform")
            for each in uniforms:
                place = (each.amounts[result.axis], each.measured_db)
                axes.annotate(each.name, place, xytext=(5, 5), textcoords="offset points")
        unit = _UNITS.get(result.axis, "")
        axes.set_xlabel(f"{result.axis} ({unit})" if unit else result.axis)
        axes.set_ylabel("SQNR at the outputs (dB)")
        axes.set_title(f"{asked.model} for {result.soc}", parse_math=False)
        axes.grid(visible=True, alpha=0.3)
        if axes.get_lines():
            axes.legend()
        with unfinished(target) as partial:
            figure.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
            put(partial, target)


def _series(
    records: Sequence[SearchPoint] | Sequence[UniformRecord], axis: str, *, measured: bool
) -> list[tuple[float, float]]:
    """Cost and decibels of those that have finite ones, by rising cost."""
    found = ((each.amounts[axis], each.measured_db if measured else each.predicted_db) for each in records)
    return sorted((cost, db) for cost, db in found if db is not None and math.isfinite(db))
