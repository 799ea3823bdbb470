"""What an export says of a form: out of its JSON, whichever door it came by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qnnsolve.facts.graph import GETITEM
from qnnsolve.lowering.program import FEEDS
from qnnsolve.results import AT_BORDER

__all__ = ["Document", "alone", "encodings_of", "told_apart"]

Document = Mapping[str, Any]
"""An answer of schema ``export-1.json``, or a part of one."""


def alone(document: Document, outputs: int) -> dict[str, Any]:
    """The record of a form that is the whole program, with so many outputs."""
    return _record(document, document["nodes"], document["cpu_ops"], range(outputs), 1)


def told_apart(document: Document, outputs: Sequence[int]) -> list[dict[str, Any]]:
    """The record of each form of a pack, in its order; each has so many outputs."""
    owners = _owners_of(document)
    found, at = [], 0
    for index, count in enumerate(outputs):
        nodes = [node for node in document["nodes"] if owners.get(node["name"]) == index]
        # What hangs together with no form is nobody's: the first one's, so that it is told.
        ops = [op for op in document["cpu_ops"] if owners.get(op["name"], 0) == index]
        found.append(_record(document, nodes, ops, range(at, at + count), len(outputs)))
        at += count
    return found


def encodings_of(nodes: Sequence[Document]) -> list[str]:
    """Per op, in the order of the graph, what was chosen: the same for one form by either path."""
    return [
        f"{node['target']} {','.join(each['encoding'] for each in node['inputs'])} -> "
        f"{node['output']} {node['placement']}"
        for node in nodes
        if node["target"].startswith("aten.")
    ]


def _owners_of(document: Document) -> Mapping[str, int]:
    """Which form each node belongs to, by its name: the module that it stands in, or what it hangs together with."""
    owners: dict[str, int] = {}
    for node in document["nodes"]:
        parts = node["module_path"].split(".")
        if parts[0] == "forms" and len(parts) > 1:
            owners[node["name"]] = int(parts[1])
    for nodes in (document["nodes"], document["nodes"][::-1]):  # what reads it, and what it reads
        for node in nodes:
            together = [node["name"], *(each["producer"] for each in node["inputs"])]
            known = next((owners[name] for name in together if name in owners), None)
            if known is not None:
                for name in together:
                    owners.setdefault(name, known)
    return owners


def _record(
    document: Document, nodes: Sequence[Document], ops: Sequence[Document], outputs: range, size: int
) -> dict[str, Any]:
    """The part of an export that is one form's."""
    told = {node["name"]: f"{node['target']} ({node['name']})" for node in nodes}
    announced = {node["name"] for node in nodes if node["placement"] == "cpu" and node["target"] != GETITEM}
    # Casts that lowering puts in front of an op on the CPU are no ops of the model's.
    happened = {
        op["name"]: op for op in ops if op["reason"] != AT_BORDER and (op["reason"] != FEEDS or op["name"] in told)
    }
    checks = (document["verification"] or {"outputs": ()})["outputs"]
    return {
        "pack": size,
        "delegates": document["delegates"],
        "unannounced": sorted(
            f"{op['target']} ({name}): {op['reason']}" for name, op in happened.items() if name not in announced
        ),
        "not on the CPU": sorted(told[name] for name in announced - {op["name"] for op in ops}),
        "outputs": [
            {
                "rel": _finite(check["max_rel"]),
                "steps": check["steps"],
                "bits": check["bits"],
                "sqnr": _finite(check["sqnr_db"]),
                "converted": None if check["converted_sqnr"] is None else _finite(check["converted_sqnr"]["worst"]),
                "verdict": check["verdict"],
                "place": check["place"],
            }
            for check in checks
            if check["index"] in outputs
        ],
        "unrunnable": [
            f"{each['kernel']}: {each['why']}"
            for each in document["unrunnable"]
            if not told.keys().isdisjoint(each["nodes"])
        ],
        "encodings": encodings_of(nodes),
    }


def _finite(value: float | str) -> float:
    """JSON has no infinities: qnnsolve writes them as text."""
    return 999.0 if value == "inf" else -999.0 if value == "-inf" else round(float(value), 6)
