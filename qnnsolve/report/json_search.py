"""A search as JSON: what ``qnnsolve search --format json`` prints (schema ``search-1.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from qnnsolve.report.json_results import number, seconds_of
from qnnsolve.report.searching import SearchWords
from qnnsolve.results import SearchPoint, SearchProgram, SearchResult, UniformRecord

__all__ = ["SEARCH_SCHEMA", "search_json"]

SEARCH_SCHEMA = "qnnsolve/search/1"

Json = dict[str, Any]


def search_json(result: SearchResult, asked: SearchWords) -> Json:
    """The answer of ``qnnsolve search``. Decibels that are not finite are text."""
    return {
        "schema": SEARCH_SCHEMA,
        "model": asked.model,
        "soc": result.soc,
        "candidates": list(result.candidates),
        "axis": result.axis,
        "target": None if result.target is None else attrs.asdict(result.target),
        "samples": result.samples,
        "directions": result.directions,
        "points": [_point(point) for point in result.points],
        "uniforms": [{"name": each.name, **_figures(each)} for each in result.uniforms],
        "sensitivities": [
            {"site": each.site, "encoding": each.encoding, "noise": number(each.noise), "db": number(each.db)}
            for each in result.sensitivities
        ],
        "passes": dict(result.passes),
        "notes": list(result.notes),
        "recipes": asked.recipes,
        "timings": seconds_of(result.timings),
    }


def _point(point: SearchPoint) -> Json:
    return {
        "budgets": _numbers(point.budgets),
        **_figures(point),
        "bound_db": number(point.bound_db),
        "gap": number(point.gap),
        "prices": _numbers(point.prices),
        "how": point.how,
        "found_as": point.found_as,
        "program": None if point.program is None else _program(point.program),
    }


def _program(program: SearchProgram) -> Json:
    db = program.emulator_db
    return {
        **attrs.asdict(program),
        "unannounced": list(program.unannounced),
        "emulator_db": None if db is None else number(db),
    }


def _figures(each: SearchPoint | UniformRecord) -> Json:
    return {
        "amounts": _numbers(each.amounts),
        "predicted_db": number(each.predicted_db),
        "measured_db": None if each.measured_db is None else number(each.measured_db),
        "metric": each.metric,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | str]:
    return {name: number(value) for name, value in values.items()}
