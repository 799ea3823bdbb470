"""What was chosen, as node data for Model Explorer (google-ai-edge/model-explorer): :func:`write_overlay`.

One file serves two graphs. The nodes of a ``.pt2`` are named as ``torch.export`` names them. The calls of a ``.pte``
are numbered by chain and instruction, as the adapter ``pte-adapter-model-explorer`` 0.2 does. It takes any key, and
shows nothing where one is wrong: ``benchmarks/model_explorer.py`` holds these against it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import Node, NodeKind
from qnnsolve.host.outputs import check_writable, put, spare_inputs, unfinished
from qnnsolve.results import ExportResult, NodeRecord, Placement, Status
from qnnsolve.runs import Run, Solved

__all__ = ["PT2_GRAPH", "overlay", "write_overlay"]

PT2_GRAPH = "graph"
"""What Model Explorer calls the graph of a ``.pt2``."""
_COLOURS = {"cpu": "#f8d4d0", "float": "#fdf0c4", "8": "#cfeadb", "16": "#d3dffb", "32": "#e5d7f2"}
"""By where a node runs, and how many bits what it yields has at most: those of the page."""
_TEXT = "#15181c"
_SHADE = 0.94
"""How much darker each further value of a colour is. A layer's summary has one line per colour, with one value."""

Json = dict[str, Any]


def write_overlay(
    solved: Solved | Run, out: str | os.PathLike[str], *, export: ExportResult | None = None
) -> tuple[int, int]:
    """Write the node data of a solve, and of the program of an export, to ``out``; an existing file is replaced.

    Answers how many nodes of the exported graph have a value, and how many ops count to none of them.

    Raises:
        UsageError: there is no solution, it cannot be written there, or ``out`` is the run itself.
        RunError: the file of a run is damaged.
    """
    target = check_writable(out, "overlay")
    if isinstance(solved, Run):
        spare_inputs("out", target, [("the run", solved.path)])
    made = overlay(solved, export)
    with unfinished(target) as partial:
        try:
            partial.write_text(json.dumps(made, ensure_ascii=True, allow_nan=False, indent=1), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"overlay {target} cannot be written: {error.strerror}") from error
        put(partial, target)
    there = {name for names in solved.origins.values() for name in names}
    return len(made[PT2_GRAPH]["results"]), sum(record.name not in there for record in solved.result.nodes)


def overlay(solved: Solved | Run, export: ExportResult | None = None) -> Json:
    """The node data: by graph, the value and colours of each node, by its id there. A kept run knows its export.

    Raises:
        UsageError: there is no solution to show, or an older run does not know what nodes are called in the program.
    """
    result = solved.result
    if result.status is not Status.SATISFIABLE:
        raise UsageError(f"the solve is {result.status.value}: there is no config to lay over a graph")
    if not solved.origins:
        raise UsageError("the run does not know what nodes are called in the exported program; save it again")
    if isinstance(solved, Run):
        export = solved.export
    name = f"qnnsolve: {result.precision} on {result.soc}"
    made = {PT2_GRAPH: _graph_data(name, dict(_chosen(solved)))}
    for plan, results in _calls(export).items():
        made[plan] = _graph_data(name, results)
    return made


def _graph_data(name: str, results: dict[str, Json]) -> Json:
    shades: dict[str, list[str]] = {}
    for value, colour in dict.fromkeys((each["value"], each["bgColor"]) for each in results.values()):
        shades.setdefault(colour, []).append(value)
    told = {value: _darker(colour, place) for colour, values in shades.items() for place, value in enumerate(values)}
    return {
        "name": name,
        "results": {key: {**each, "bgColor": told[each["value"]]} for key, each in results.items()},
        "hideInAggregatedStatsTable": True,
        "showExpandedSummaryOnGroupNode": True,
        "showLabelCountColumnsInChildrenStatsTable": True,
    }


def _chosen(solved: Solved | Run) -> Iterator[tuple[str, Json]]:
    """The value of each node that the exported graph has, too."""
    records = {record.name: record for record in solved.result.nodes}
    converted = {each.user for each in solved.result.converts}
    weights: dict[str, list[str]] = {}
    bits = {}
    for site, encoding in solved.encodings.items():
        bits[encoding.name] = encoding.bits if encoding.quantized else 0
        weights.setdefault(site.node, []).append(encoding.name)
    for origin, (name, *parts) in solved.origins.items():
        node = solved.facts.graph[name]
        value, colour = _value(node, records.get(name), weights.get(name, []), name in converted, bits)
        if value:
            told = {note for part in parts if part in records for note in _notes(records[part], part in converted)}
            value += f"; in its parts: {', '.join(sorted(told))}" if told else ""
            yield origin, {"value": value, "bgColor": colour, "textColor": _TEXT}


def _value(
    node: Node, record: NodeRecord | None, read_as: list[str], converts: bool, bits: dict[str, int]
) -> tuple[str, str]:
    """What is shown of a node, and its colour; nothing where it carries no float."""
    if node.kind is not NodeKind.CALL:
        names = list(dict.fromkeys(read_as))
        return " or ".join(names), _colour(bits.get(names[0], 0) if names else 0)
    if record is None or (record.output is None and record.placement is Placement.NONE):
        return "", ""
    on_cpu = record.placement is Placement.CPU
    colour = _COLOURS["cpu"] if on_cpu else _colour(bits.get(record.output or "", 0))
    return ", ".join([*([record.output] if record.output else []), *_notes(record, converts)]), colour


def _notes(record: NodeRecord, converts: bool) -> list[str]:
    """What is to be told of a node beside its encoding."""
    on_cpu = record.placement is Placement.CPU
    notes = ["on the CPU"] if on_cpu else []
    notes += ["deviates"] if record.deviations and not on_cpu else []
    return [*notes, "converts"] if converts else notes


def _colour(bits: int) -> str:
    return _COLOURS["float" if not bits else "8" if bits <= 8 else "16" if bits <= 16 else "32"]


def _darker(colour: str, steps: int) -> str:
    """``colour``, but so many steps darker; never so dark that its text cannot be read."""
    share = _SHADE ** min(steps, 7)
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * share):02x}" for at in (1, 3, 5))


def _calls(export: ExportResult | None) -> dict[str, dict[str, Json]]:
    """The value of each call of the program, by plan: whether the accelerator computes it, or which op it is."""
    found: dict[str, dict[str, Json]] = {}
    reasons = {} if export is None else {each.name: each.reason for each in export.cpu_ops}
    for call in () if export is None else export.calls:
        reason = f": {reasons[call.name]}" if call.name in reasons else ""
        value = "on the accelerator" if call.delegate else f"on the CPU, {call.name}{reason}"
        colour = _COLOURS["16" if call.delegate else "cpu"]
        key = f"{call.plan}_{call.chain}_{call.instruction}"
        found.setdefault(call.plan, {})[key] = {"value": value, "bgColor": colour, "textColor": _TEXT}
    return found
