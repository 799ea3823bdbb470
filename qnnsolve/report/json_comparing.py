"""A comparison as JSON: what ``qnnsolve compare --format json`` prints (schema ``compare-1.json``)."""

from __future__ import annotations

from typing import Any

from qnnsolve.report.json_results import decibels_json, first_difference_json, number, seconds_of
from qnnsolve.results import CompareResult, EmulatedNode, NodeComparison

__all__ = ["COMPARE_SCHEMA", "compare_json"]

COMPARE_SCHEMA = "qnnsolve/compare/1"

Json = dict[str, Any]


def compare_json(result: CompareResult, model: str) -> Json:
    """The answer of ``qnnsolve compare``. Decibels that are not finite are text."""
    solve = result.solve
    return {
        "schema": COMPARE_SCHEMA,
        "model": model,
        "backend": solve.backend,
        "soc": solve.soc,
        "arch": solve.arch,
        "precision": solve.precision,
        "bound_db": number(result.bound_db),
        "samples": result.samples,
        "emulated": result.emulated,
        "outputs": [{"index": each.index, "sqnr": decibels_json(each.sqnr)} for each in result.outputs],
        "first": {
            "unexplained": _name(result.first_unexplained),
            "own": _name(result.first_own),
            "accumulated": _name(result.first_accumulated),
            "emulator_own": _name(result.first_emulator_own),
            "emulator_accumulated": _name(result.first_emulator_accumulated),
        },
        "first_difference": first_difference_json(result.first_difference),
        "nodes": [_node(node) for node in result.nodes],
        "notes": list(result.notes),
        "timings": seconds_of(result.timings),
    }


def _name(node: NodeComparison | None) -> str | None:
    return None if node is None else node.name


def _node(node: NodeComparison) -> Json:
    return {
        "name": node.name,
        "target": node.target,
        "module_path": node.module_path,
        "encoding": node.encoding,
        "own": decibels_json(node.own),
        "accumulated": decibels_json(node.accumulated),
        "saturated": None if node.saturated is None else number(node.saturated),
        "unused": None if node.unused is None else number(node.unused),
        "excess": None if node.excess is None else number(node.excess),
        "emulator": None if node.emulator is None else _emulated(node.emulator),
    }


def _emulated(node: EmulatedNode) -> Json:
    return {
        "own": decibels_json(node.own),
        "accumulated": decibels_json(node.accumulated),
        "steps": node.steps,
        "apart": number(node.apart),
        "verdict": node.verdict.value,
    }
