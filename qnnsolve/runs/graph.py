"""Graph facts, and what lowering makes of each call, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs
from cattrs import Converter

from qnnsolve.facts.graph import Argument, CodeLine, Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.rules.builders import Built, Input
from qnnsolve.runs.file import Row, Rows
from qnnsolve.runs.ids import Ids, Met, StoredIds, compact, parsed, parsed_all

__all__ = ["built_rows", "graph_rows", "read_built", "read_graph"]

_Module: TypeAlias = tuple[str, tuple[str, ...]]
"""The path of a module, and the classes of it and of those around it."""
_NODE = "node"
"""The key of what another node yields, in the JSON of arguments."""


def graph_rows(graph: Graph, met: Met) -> dict[str, list[Row]]:
    """The rows of the tables ``nodes``, ``targets``, ``modules``, ``lines`` and ``tensors``."""
    targets, modules, lines, tensors = Ids[str](), Ids[_Module](), Ids[CodeLine](), Ids[TensorFact]()
    nodes: list[Row] = [
        (
            met.nodes(node.name),
            node.name,
            node.kind.value,
            targets(node.target),
            compact([_plain(each, met) for each in node.args]),
            compact({key: _plain(each, met) for key, each in node.kwargs}),
            tensors.many(node.tensors),
            modules((node.module_path, node.module_types)),
            int(node.several),
            None if node.line is None else lines(node.line),
        )
        for node in graph
    ]
    return {
        "nodes": nodes,
        "targets": list(enumerate(targets)),
        "modules": [(at, path, compact(types)) for at, (path, types) in enumerate(modules)],
        "lines": [(at, line.file, line.number, line.text) for at, line in enumerate(lines)],
        "tensors": [(at, compact(tensor.shape), tensor.dtype) for at, tensor in enumerate(tensors)],
    }


def _plain(argument: Argument, met: Met) -> Any:
    if isinstance(argument, Ref):
        return {_NODE: met.nodes(str(argument))}
    if isinstance(argument, tuple):
        return [_plain(each, met) for each in argument]
    return argument


def read_graph(rows: Rows, known: StoredIds) -> Graph:
    """The graph whose rows these are."""
    targets = [row[1] for row in rows["targets"]]
    modules = [(path, tuple(parsed(types))) for _, path, types in rows["modules"]]
    lines = [CodeLine(file, number, text) for _, file, number, text in rows["lines"]]
    tensors = [TensorFact(tuple(parsed(shape)), dtype) for _, shape, dtype in rows["tensors"]]
    kinds = {kind.value: kind for kind in NodeKind}
    refs = list(map(Ref, known.nodes))
    args, kwargs, many = (parsed_all([row[column] for row in rows["nodes"]]) for column in (4, 5, 6))
    return Graph.of(
        tuple(
            [
                Node(
                    name,
                    kinds[kind],
                    targets[target],
                    tuple([_argument(each, refs) for each in args[at]]),
                    tuple([(key, _argument(each, refs)) for key, each in kwargs[at].items()]),
                    tuple([tensors[each] for each in many[at]]),
                    modules[module][0],
                    bool(several),
                    None if line is None else lines[line],
                    modules[module][1],
                )
                for at, name, kind, target, _, _, _, module, several, line in rows["nodes"]
            ]
        )
    )


def _argument(plain: Any, refs: Sequence[Ref]) -> Argument:
    if isinstance(plain, dict):
        return refs[plain[_NODE]]
    if isinstance(plain, list):
        return tuple([_argument(each, refs) for each in plain])
    argument: Argument = plain
    return argument


def built_rows(built: Mapping[str, Built], met: Met, writer: Converter) -> dict[str, list[Row]]:
    """The rows of the tables ``calls`` and ``builds``: nodes that differ in what they read alone share a row there."""
    builds, calls = Ids[Built](), []
    for name, each in built.items():
        reads = tuple(dict.fromkeys(entry.ref for entry in each.inputs if entry.ref is not None))
        places = {ref: Ref(at) for at, ref in enumerate(reads)}
        inputs = tuple(attrs.evolve(entry, ref=entry.ref and places[entry.ref]) for entry in each.inputs)
        calls.append((met.nodes(name), builds(attrs.evolve(each, inputs=inputs)), met.nodes.many(map(str, reads))))
    return {"builds": [(at, compact(writer.unstructure(each))) for at, each in enumerate(builds)], "calls": calls}


def read_built(rows: Rows, known: StoredIds, reader: Converter) -> dict[str, Built]:
    """What becomes of each call, by its name."""
    builds = [reader.structure(parsed(text), Built) for _, text in rows["builds"]]
    refs = list(map(Ref, known.nodes))
    reads = parsed_all([row[2] for row in rows["calls"]])
    return {
        known.nodes[node]: _with_refs(builds[build], [refs[each] for each in places])
        for (node, build, _), places in zip(rows["calls"], reads, strict=True)
    }


def _with_refs(built: Built, reads: Sequence[Ref]) -> Built:
    """The build of a node that reads these."""
    if not reads:
        return built
    inputs = [
        Input(None if each.ref is None else reads[int(each.ref)], each.role, each.ch_axis, each.code, each.like)
        for each in built.inputs
    ]
    return Built(built.fate, built.op, tuple(inputs), built.case, built.why, built.outputs, built.steps)
