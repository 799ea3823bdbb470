"""What an export and a search answered beside the solve, in a page's document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from qnnsolve.report.accuracy import LEAST_SQNR_DB, accuracy, poor_lines
from qnnsolve.report.calibration import calibration_lines
from qnnsolve.report.json_results import number, seconds_of
from qnnsolve.report.lines import count
from qnnsolve.report.program import agreement
from qnnsolve.report.searching import amount, found_as
from qnnsolve.results import Decibels, ExportResult, OutputCheck, SearchPoint, SearchResult, UniformRecord, in_words

__all__ = ["export_part", "search_part"]

Json = dict[str, Any]
MOST_SENSITIVITIES = 300
"""The noisiest that are in a page."""


def export_part(result: ExportResult) -> Json:
    """The program, what is on the CPU in it, and how near its outputs are to the float model."""
    verification = result.verification
    checks = {} if verification is None else {each.index: each for each in verification.outputs}
    converted = {each.index: each.sqnr for each in result.converted}
    said = [line.text for line in (*poor_lines(result, LEAST_SQNR_DB), *accuracy(result))]
    if verification is not None:
        said = [agreement(verification).text, *said, *(verification.note or "").splitlines()]
    elif not result.unrunnable:
        said = ["Emulator: not run", *said]
    return {
        "pte": result.pte,
        "bytes": result.pte_bytes,
        "delegates": result.delegates,
        "verdict": None if verification is None or verification.verdict is None else verification.verdict.value,
        "said": said,
        "outputs": [_output(index, checks.get(index), converted.get(index)) for index in sorted({*checks, *converted})],
        "random": [] if verification is None else list(verification.random_outputs),
        "cpu_ops": [attrs.asdict(each) | {"stand": each.stand.value} for each in result.cpu_ops],
        "unrunnable": [str(each) for each in result.unrunnable],
        "calibration": [line.text.strip() for line in calibration_lines(result.solve.calibration) if line.text],
        "timings": [list(each) for each in seconds_of(result.timings).items()],
    }


def _output(index: int, check: OutputCheck | None, converted: Decibels | None) -> Json:
    place = "" if check is None or not check.place else f" in {check.place}"
    return {
        "index": index,
        "verdict": None if check is None else f"{check.verdict.value}{place}",
        "error": None if check is None else in_words(check),
        "emulator": None if check is None or check.emulator is None else _decibels(check.emulator),
        "converted": None if converted is None else _decibels(converted),
    }


def _decibels(sqnr: Decibels) -> str:
    worst = f" (worst {sqnr.worst:.1f})" if sqnr.samples > 1 else ""
    return f"{sqnr.together:.1f} dB{worst}, {count(sqnr.samples, 'sample')}"


def search_part(result: SearchResult, at: Mapping[str, int]) -> Json:
    """The front, uniform candidates, and the noisiest sites; ``at``: the number of a node by its name."""
    shown = result.sensitivities[:MOST_SENSITIVITIES]
    return {
        "soc": result.soc,
        "axis": result.axis,
        "target": None if result.target is None else str(result.target),
        "candidates": list(result.candidates),
        "samples": result.samples,
        "points": [_point(each, result.axis, at) for each in result.points],
        "uniforms": [{"name": each.name, **_figures(each, result.axis)} for each in result.uniforms],
        "sensitivities": [[_at(each.site, at), each.site, each.encoding, _finite(each.db)] for each in shown],
        "quieter": len(result.sensitivities) - len(shown),
        "notes": list(result.notes),
    }


def _point(point: SearchPoint, axis: str, at: Mapping[str, int]) -> Json:
    return {
        **_figures(point, axis),
        "budgets": {cost: amount(cost, most) for cost, most in point.budgets.items()},
        "bound": number(point.bound_db),
        "gap": point.gap,
        "prices": {cost: price for cost, price in point.prices.items() if abs(price) > 5e-4},
        "found_as": found_as(point),
        "differs": [[_at(site, at), site, encoding] for site, encoding in point.differs],
    }


def _figures(each: SearchPoint | UniformRecord, axis: str) -> Json:
    costs = (axis, *(cost for cost in each.amounts if cost != axis)) if axis in each.amounts else (*each.amounts,)
    return {
        "x": each.amounts.get(axis, 0.0),
        "amounts": [[cost, amount(cost, each.amounts[cost])] for cost in costs],
        "predicted": _finite(each.predicted_db),
        "measured": None if each.measured_db is None else _finite(each.measured_db),
        "metric": each.metric,
    }


def _finite(value: float) -> float | str:
    """To a hundredth; text where it is not finite."""
    return round(value, 2) if math.isfinite(value) else str(value)


def _at(site: str, at: Mapping[str, int]) -> int | None:
    """The number of the node that a site (``node`` or ``producer -> node``) belongs to."""
    return at.get(site.rpartition(" -> ")[2])
