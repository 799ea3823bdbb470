"""What a comparison node by node answered, in a page's document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qnnsolve.report.comparing import first_lines
from qnnsolve.report.json_results import number
from qnnsolve.report.lines import count
from qnnsolve.results import CompareResult, Decibels, EmulatedNode, NodeComparison

__all__ = ["compare_part", "lost_at"]

Json = dict[str, Any]


def compare_part(result: CompareResult, at: Mapping[str, int]) -> Json:
    """The first node below the bound in each respect, and the figures of every node; ``at``: its number by its name."""
    return {
        "bound": result.bound_db,
        "samples": result.samples,
        "emulated": result.emulated,
        "said": [line.text.strip() for line in first_lines(result) if line.text],
        "notes": list(result.notes),
        "nodes": {str(at[node.name]): _node(node) for node in result.nodes if node.name in at},
    }


def lost_at(result: CompareResult) -> str:
    """The first node below the bound, in half a sentence; empty where there is none."""
    worse = result.first_unexplained
    if worse is not None:
        return f"first node whose own error its encodings do not explain: {worse.name} ({worse.own.together:.1f} dB)"
    for node in result.nodes:
        figures = [("own error", node.own), ("accumulated", node.accumulated)]
        if node.emulator is not None:
            emulator = "of the emulator against the converted model"
            figures += [(f"own error {emulator}", node.emulator.own)]
            figures += [(f"accumulated error {emulator}", node.emulator.accumulated)]
        for what, sqnr in figures:
            if not sqnr.together >= result.bound_db:
                return f"first node below {result.bound_db:g} dB: {node.name} ({what}: {sqnr.together:.1f} dB)"
    return ""


def _node(node: NodeComparison) -> Json:
    return {
        "own": _sqnr(node.own),
        "accumulated": _sqnr(node.accumulated),
        "saturated": node.saturated,
        "unused": node.unused,
        "excess": None if node.excess is None else _tenth(node.excess),
        **({} if node.emulator is None else {"emulator": _emulated(node.emulator)}),
    }


def _emulated(each: EmulatedNode) -> Json:
    differs = f"{count(each.steps, 'step')} at most, {each.apart * 100:.3g} % of values apart: {each.verdict.value}"
    return {"own": _sqnr(each.own), "accumulated": _sqnr(each.accumulated), "differs": differs}


def _sqnr(sqnr: Decibels) -> list[Any]:
    """Over all samples, and the worst of them, to a tenth."""
    return [_tenth(sqnr.together), _tenth(sqnr.worst)]


def _tenth(value: float) -> Any:
    return number(round(value, 1) if math.isfinite(value) else value)
