"""The document that a page shows (``qnnsolve/page-document/1``): a solve as plain JSON, each thing once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, TypeAlias

import attrs

from qnnsolve import __version__
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Graph, Node
from qnnsolve.questions import Clash
from qnnsolve.report.page.compared import compare_part, lost_at
from qnnsolve.report.page.costs import cost_by_node
from qnnsolve.report.page.explaining import clashes, explain
from qnnsolve.report.page.modules import module_tree, modules_json
from qnnsolve.report.page.once import Once
from qnnsolve.report.page.outcomes import export_part, search_part
from qnnsolve.report.questions import clash_title, repair_lines, step_lines
from qnnsolve.report.solve import head
from qnnsolve.results import CompareResult, Deviation, ExportResult, NodeRecord, Placement, SearchResult, SourceRecord
from qnnsolve.rules.builders import Built, Input
from qnnsolve.runs import Run, Solved

__all__ = ["PAGE_SCHEMA", "document"]

PAGE_SCHEMA = "qnnsolve/page-document/1"
Json: TypeAlias = dict[str, Any]
_UNDECIDED: Json = {**dict.fromkeys(("asked", "chosen", "set")), "why": []}
"""Of a port where nothing is decided."""


def document(
    solved: Solved | Run,
    model: str = "",
    export: ExportResult | None = None,
    search: SearchResult | None = None,
    compare: CompareResult | None = None,
) -> Json:
    """What the page shows: a solve of ``model``, or a run that was kept; and beside it the program of an export, the
    front of a search, or a comparison node by node. A kept run knows these itself.

    Encodings, sets of candidates, sources and source lines are listed once and stand as their numbers elsewhere, as
    nodes do. ``nodes`` are the graph's inputs and calls in topological order. A port has what was asked for and chosen,
    its candidates, and in ``why`` the steps that led there, as far as they were asked for.

    Raises:
        RunError: the file of a run is damaged.
    """
    made = _Document.of(solved)
    result = solved.result
    if isinstance(solved, Run):
        model, export, search, compare = solved.about["model"], solved.export, solved.search, solved.compare
    nodes = made.nodes()
    lines = [line.text for line in head(result, model)]
    top = module_tree(solved.facts.graph[each["name"]].module_path for each in nodes)
    looks: list[Hashable] = [_look(each) for each in nodes]
    explained = explain(solved, nodes, looks)
    converts = [
        attrs.asdict(each) | {"sources": made.cited(each.sources), "at": made.at.get(each.user)}
        for each in result.converts
    ]
    conflicting, repairs = clashes(solved)
    conflicts = [made.clash(each) for each in conflicting] or [
        attrs.asdict(each) | {"sources": made.cited(each.sources)} for each in result.conflicts
    ]
    return {
        "schema": PAGE_SCHEMA,
        "made_by": f"qnnsolve {__version__}",
        "title": lines[0],
        "verdict": "; ".join(filter(None, (lines[-1], "" if compare is None else lost_at(compare)))),
        "model": model,
        **{key: getattr(result, key) for key in ("backend", "soc", "arch", "precision")},
        "status": result.status.value,
        "proof": result.proof,
        "limit": result.limit,
        "cost": result.cost,
        "breakdown": [list(each) for each in result.breakdown],
        "notes": list(result.notes),
        "facts": [attrs.asdict(each) for each in result.facts],
        "wishes": [attrs.asdict(each) for each in result.wishes],
        "overridden": [attrs.asdict(each) for each in result.overridden],
        "conflicts": conflicts,
        "ways_out": [line.text.strip() for line in repair_lines(repairs)][1:],
        "nodes": nodes,
        "modules": modules_json(top, looks),
        "converts": converts,
        "timings": [list(each) for each in result.timings],
        "export": None if export is None else export_part(export),
        "search": None if search is None else search_part(search, made.at),
        "compare": None if compare is None else compare_part(compare, made.at),
        **explained,
        **made.tables(),
    }


def _look(node: Json) -> Hashable:
    """What alike modules have in common, node for node: all but names and lines."""
    ports = [*node["inputs"], *([node["output"]] if node["output"] else [])]
    return (
        *(node["target"], node["op"], node["placement"], len(node["deviations"])),
        tuple(node["shapes"]),
        tuple((port.get("role"), port.get("shape"), port["asked"], port["chosen"], port["set"]) for port in ports),
    )


def _shape(node: Node) -> list[str]:
    return [
        f"{tensor.dtype}[{', '.join('?' if size is None else str(size) for size in tensor.shape)}]"
        for tensor in node.tensors
    ]


@attrs.frozen(eq=False)
class _Document:
    """What is met on the way is numbered in the tables."""

    solved: Solved | Run
    graph: Graph
    records: dict[str, NodeRecord]
    costs: dict[str, int]
    at: dict[str, int]
    encodings: Once[Encoding] = attrs.field(factory=lambda: Once[Encoding]())
    sets: Once[tuple[int, ...]] = attrs.field(factory=lambda: Once[tuple[int, ...]]())
    sources: Once[SourceRecord] = attrs.field(factory=lambda: Once[SourceRecord]())
    lines: Once[tuple[str, int, str]] = attrs.field(factory=lambda: Once[tuple[str, int, str]]())

    @classmethod
    def of(cls, solved: Solved | Run) -> _Document:
        facts = solved.facts
        shown = {node.name for node in facts.inputs} | set(facts.built)
        names = [node.name for node in facts.graph if node.name in shown]
        return cls(
            solved,
            facts.graph,
            {record.name: record for record in solved.result.nodes},
            cost_by_node(facts, solved.problem, solved.encodings),
            {name: at for at, name in enumerate(names)},
        )

    def nodes(self) -> list[Json]:
        return [self._node(self.graph[name]) for name in self.at]

    def _node(self, node: Node) -> Json:
        built, record = self.solved.facts.built.get(node.name), self.records.get(node.name)
        place = Placement.NONE if record is None else record.placement
        line = node.line
        deviations = () if record is None else record.deviations
        return {
            "name": node.name,
            "op": None if built is None else built.op,
            "target": node.target if built is not None else "input",
            "shapes": _shape(node),
            "line": None if line is None else self.lines.of((line.file, line.number, line.text)),
            "placement": place.value,
            "cost": self.costs.get(node.name, 0),
            "inputs": [] if built is None else self._inputs(node, built),
            "output": self._port(Site(node.name)),
            "deviations": [self._deviation(each) for each in deviations],
        }

    def _inputs(self, node: Node, built: Built) -> list[Json]:
        """The ports in QNN's order; where nothing is built, what the call reads."""
        entries = [entry for entry in built.inputs if entry.ref is not None] or [Input(ref) for ref in node.refs()]
        found = []
        for entry in entries:
            assert entry.ref is not None
            read = {"from": self.at.get(entry.ref), "name": str(entry.ref), "role": entry.role.value}
            shape = " ".join(_shape(self.graph[entry.ref]))
            port = self._port(Site(entry.ref, node.name)) or {**_UNDECIDED}
            found.append({**read, "shape": shape, **port})
        return found

    def _port(self, site: Site) -> Json | None:
        """None where nothing is decided there: an integer, or a tuple."""
        domain = self.solved.problem.domains.get(site)
        if domain is None:
            return None
        chosen = self.solved.encodings.get(site)
        return {
            "asked": self.encodings.of(self.solved.facts.asked(site)),
            "chosen": None if chosen is None else self.encodings.of(chosen),
            "set": self.sets.of(tuple(map(self.encodings.of, domain))),
            "why": [],
        }

    def _deviation(self, deviation: Deviation) -> Json:
        return attrs.asdict(deviation) | {"sources": self.cited(deviation.sources)}

    def clash(self, clash: Clash) -> Json:
        """A conflict of pins, as those of a solve stand in the page: its steps, and then what would help."""
        return {
            "nodes": list(clash.nodes),
            "constraints": [line.text.strip() for line in step_lines(clash.steps)],
            "hints": list(clash.hints),
            "text": clash_title(clash),
            "sources": self.cited(source for step in clash.steps for source in step.sources),
        }

    def cited(self, sources: Iterable[SourceRecord]) -> list[int]:
        return [self.sources.of(each) for each in sources]

    def tables(self) -> Json:
        return {
            "encodings": [{"name": each.name, "bits": each.bits if each.quantized else 0} for each in self.encodings],
            "sets": [list(each) for each in self.sets],
            "sources": [attrs.asdict(each) for each in self.sources],
            "lines": [list(each) for each in self.lines],
        }
