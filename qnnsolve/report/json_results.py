"""Results as JSON: plain dicts that hold to the schemas in ``qnnsolve/schema/``.

JSON has no infinity and no NaN; figures that are not finite become the strings ``inf``, ``-inf`` and ``nan``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from qnnsolve.errors import QnnSolveError, UnsatisfiableError
from qnnsolve.report.calibration import calibration_json
from qnnsolve.results import (
    Decibels,
    Deviation,
    ExportResult,
    FirstDifference,
    NodeRecord,
    OutputCheck,
    SolveResult,
    Verification,
)

__all__ = [
    "ERROR_SCHEMA",
    "EXPORT_SCHEMA",
    "SOLVE_SCHEMA",
    "decibels_json",
    "dumps",
    "error_json",
    "export_json",
    "first_difference_json",
    "number",
    "seconds_of",
    "solve_json",
]

SOLVE_SCHEMA = "qnnsolve/solve/1"
EXPORT_SCHEMA = "qnnsolve/export/1"
ERROR_SCHEMA = "qnnsolve/error/1"

Json: TypeAlias = dict[str, Any]


def solve_json(result: SolveResult, model: str) -> Json:
    """The answer of ``qnnsolve solve`` (schema ``solve-1.json``); ``model`` as the user typed it."""
    return {"schema": SOLVE_SCHEMA, "model": model, **_solve_fields(result), "timings": seconds_of(result.timings)}


def export_json(result: ExportResult, model: str) -> Json:
    """The answer of ``qnnsolve export`` (schema ``export-1.json``): a solve's fields, and those of the program."""
    return {
        "schema": EXPORT_SCHEMA,
        "model": model,
        **_solve_fields(result.solve),
        "calibration": calibration_json(result.solve.calibration),
        "delegates": result.delegates,
        "cpu_ops": [attrs.asdict(op) | {"stand": op.stand.value} for op in result.cpu_ops],
        "pte": result.pte,
        "pte_bytes": result.pte_bytes,
        "converted": [{"index": check.index, "sqnr": decibels_json(check.sqnr)} for check in result.converted],
        "verification": None if result.verification is None else _verification(result.verification),
        "first_difference": first_difference_json(result.first_difference),
        "unrunnable": [attrs.asdict(kernel) for kernel in result.unrunnable],
        "timings": seconds_of(result.timings),
        "peaks": [{"stage": stage, "own_mb": own, "child_mb": child} for stage, own, child in result.peaks],
    }


def first_difference_json(found: FirstDifference | None) -> Json | None:
    """The first node that differs on the emulator; ``node`` is null where none does alone."""
    if found is None:
        return None
    return attrs.asdict(found) | {"verdict": found.verdict.value, "refused": list(found.refused)}


def error_json(error: BaseException, exit_code: int, message: str | None = None) -> Json:
    """An error (schema ``error-1.json``): its kind, text and exit code, and the data it carries."""
    fields: Json = {"kind": type(error).__name__, "message": message or str(error), "exit_code": exit_code}
    carried = vars(error) if isinstance(error, QnnSolveError) else {}
    details = {name: _plain(value) for name, value in sorted(carried.items())}
    if isinstance(error, UnsatisfiableError):
        pairs = zip(error.conflicts, details.pop("in_words"), strict=True)
        details["conflicts"] = [{"nodes": sorted(each.nodes), "text": text} for each, text in pairs]
    return {"schema": ERROR_SCHEMA, "error": {**fields, "details": details}}


def dumps(document: Json) -> str:
    """The document as text: indented, keys in the order of the schema, no NaN or infinity in it."""
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)


def _solve_fields(result: SolveResult) -> Json:
    return {
        "backend": result.backend,
        "soc": result.soc,
        "arch": result.arch,
        "precision": result.precision,
        "status": result.status.value,
        "proof": result.proof,
        **({} if result.limit is None else {"limit": result.limit}),
        "cost": result.cost,
        "breakdown": [{"entry": entry, "cost": cost} for entry, cost in result.breakdown],
        "nodes": [_node(node) for node in result.nodes],
        "converts": [attrs.asdict(convert) for convert in result.converts],
        "notes": list(result.notes),
        "unverified": [{"name": name, "target": target} for name, target in result.unverified],
        "conflicts": [
            {
                "nodes": list(each.nodes),
                "constraints": list(each.constraints),
                "text": each.text,
                "sources": [attrs.asdict(source) for source in each.sources],
            }
            for each in result.conflicts
        ],
        "facts": [attrs.asdict(record) for record in result.facts],
        "wishes": [attrs.asdict(record) for record in result.wishes],
        "overridden": [attrs.asdict(record) for record in result.overridden],
    }


def _node(node: NodeRecord) -> Json:
    return {
        "name": node.name,
        "target": node.target,
        "qnn_op": node.qnn_op,
        "module_path": node.module_path,
        "placement": node.placement.value,
        "inputs": [{"producer": producer, "encoding": encoding} for producer, encoding in node.inputs],
        "output": node.output,
        "deviation": [attrs.asdict(deviation) for deviation in node.deviations],
        "reason": _reasons(node.deviations),
    }


def _reasons(deviations: tuple[Deviation, ...]) -> str | None:
    """Every different reason once, in order; None where nothing deviates."""
    return "; ".join(dict.fromkeys(f"{each.reason} [{each.rule}]" for each in deviations)) or None


def _verification(verification: Verification) -> Json:
    return {
        "agrees": verification.agrees,
        "verdict": None if verification.verdict is None else verification.verdict.value,
        "emulator_vs_converted_max_rel": number(verification.emulator_vs_converted_max_rel),
        "sqnr_db": number(verification.sqnr_db),
        "tolerance": number(verification.tolerance),
        "samples": verification.samples,
        "outputs": [_output(output) for output in verification.outputs],
        "random_outputs": list(verification.random_outputs),
        "note": verification.note,
    }


def _output(output: OutputCheck) -> Json:
    return {
        "index": output.index,
        "verdict": output.verdict.value,
        "place": output.place,
        "max_abs": number(output.max_abs),
        "max_rel": number(output.max_rel),
        "sqnr_db": number(output.sqnr_db),
        "emulator_sqnr": None if output.emulator is None else decibels_json(output.emulator),
        "converted_sqnr": None if output.converted is None else decibels_json(output.converted),
        "steps": output.steps,
        "bits": output.bits,
        "steps_used": output.steps_used,
        "tied": output.tied,
    }


def decibels_json(sqnr: Decibels) -> Json:
    """The figures of one output, or of one node, over samples."""
    figures = {"together": sqnr.together, "worst": sqnr.worst, "median": sqnr.median}
    return {name: number(value) for name, value in figures.items()} | {"samples": sqnr.samples}


def seconds_of(timings: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """Seconds by stage, to the microsecond; a stage that ran twice is summed."""
    sums: dict[str, float] = {}
    for stage, seconds in timings:
        sums[stage] = round(sums.get(stage, 0.0) + seconds, 6)
    return sums


def number(value: float) -> float | str:
    """The value; text where it is not finite."""
    return float(value) if math.isfinite(value) else str(float(value))


def _plain(value: object) -> Any:
    """What JSON can carry of an error's field: containers as they are, the rest as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return number(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case set() | frozenset():
            return sorted(map(str, value))
        case _:
            return str(value)
