"""What questions can be asked of a graph alone: :data:`GRAPH_RELATIONS`.

The same relations of a kept run are those of its graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from qnnsolve.facts.graph import Graph, Node, NodeKind
from qnnsolve.logic import (
    Given,
    Predicate,
    Row,
    Support,
)
from qnnsolve.rules.builders import Built, build
from qnnsolve.rules.request import Role
from qnnsolve.sources import Source, SourceKind

__all__ = ["GRAPH_RELATIONS", "GraphRelations"]

GRAPH_RELATIONS = (
    Predicate(
        "node",
        ("Node", "Op"),
        "A node, and the QNN operator that it becomes (`MatMul`); of one that becomes none, what it calls "
        "(`aten.sin.default`), or `placeholder`, `get_attr`, `output`. A text also finds nodes by what they call, with "
        "or without the overload: `aten.matmul.default`, `aten.matmul`.",
        other_names=1,
    ),
    Predicate("target", ("Node", "Target"), "What a node calls (`aten.matmul.default`), or the name of its parameter."),
    Predicate(
        "module",
        ("Node", "Path"),
        "The path of the module in which a node stands; empty at the top. A text also finds what stands in modules "
        "inside it.",
        other_names=1,
    ),
    Predicate(
        "type",
        ("Node", "Class"),
        "The class of that module. A text also finds what stands in modules inside one of that class, and may be the "
        "class with its module: `torch.nn.modules.linear.Linear`.",
        other_names=1,
    ),
    Predicate(
        "port",
        ("Node", "Port", "Role"),
        "A port: `in[0]`, `in[1]` ..., `weight`, `out`, `out[1]` of several outputs the second. Its role: "
        "`activation`, `operand` (the second of a product), `weight`, `bias`, `norm`, `output`. A text also finds a "
        "weight by its position, and `out` as `out[0]`.",
        other_names=1,
    ),
    Predicate(
        "reads",
        ("Node", "Port", "FromNode"),
        "The node that a port reads; a text as for `port`.",
        other_names=1,
    ),
    Predicate("feeds", ("Node", "ReaderNode"), "`ReaderNode` reads what `Node` yields."),
    Predicate("shape", ("Node", "Shape"), "The shape of what a node yields: `1x197x768`, `?` where it is not static."),
    Predicate("dim", ("Node", "Axis", "Size"), "One dimension of it; axes count from 0."),
    Predicate("dtype", ("Node", "DType"), "torch's dtype of what a node yields: `float32`."),
    Predicate("line", ("Node", "File", "Line"), "The line of the model's program that called a node."),
)
"""``reaches`` comes beside them."""

_SUPPORT: Support = ((Source(SourceKind.GRAPH, "the model's graph"),), "")
_ROLES = {Role.ACTIVATION: "activation", Role.OPERAND: "operand"}


class GraphRelations:
    """The rows of :data:`GRAPH_RELATIONS` for a graph; ``built`` has what is known of what becomes of its nodes."""

    def __init__(self, graph: Graph, built: Mapping[str, Built] | None = None) -> None:
        self._graph, self._known = graph, built or {}
        self._rows: Mapping[str, Callable[[], tuple[list[Row], list[Row]]]] = {
            "node": self._nodes,
            "target": lambda: ([(each.name, each.target) for each in graph], []),
            "module": self._modules,
            "type": self._types,
            "port": self._ports,
            "reads": self._reads,
            "feeds": lambda: ([(name, user) for name in graph.nodes for user in graph.users[name]], []),
            "shape": lambda: ([(name, _shape(sizes)) for name, sizes, _ in self._tensors()], []),
            "dim": self._dims,
            "dtype": lambda: ([(name, dtype) for name, _, dtype in self._tensors()], []),
            "line": self._lines,
        }

    def given(self, name: str) -> Given:
        """The rows of a relation."""
        rows, other = self._rows[name]()
        return Given(rows, other, lambda _: _SUPPORT)

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The place of each node in the graph."""
        return {name: at for at, name in enumerate(self._graph.nodes)}

    def inputs(self, node: Node) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
        """Each input of a call that reads a node: its port, its role, that node, and further names of the port."""
        built = self._built(node)
        entries = [(at, entry.ref, entry.role) for at, entry in enumerate(built.inputs) if entry.ref is not None]
        if not entries:
            entries = [(at, ref, Role.ACTIVATION) for at, ref in enumerate(node.refs())]
        for at, ref, role in entries:
            place = f"in[{at}]"
            is_weight = role is Role.WEIGHT
            yield "weight" if is_weight else place, _ROLES.get(role, role.name.lower()), ref, (place,) * is_weight

    def outputs(self, node: Node) -> list[tuple[str, tuple[str, ...]]]:
        """Each output of a node: its port, and further names of it."""
        return [(f"out[{at}]" if at else "out", () if at else ("out[0]",)) for at in range(len(node.tensors))]

    def _built(self, node: Node) -> Built:
        known = self._known.get(node.name)
        return build(node, self._graph) if known is None or known.op is None else known

    @property
    def _calls(self) -> Iterator[Node]:
        return (node for node in self._graph if node.kind is NodeKind.CALL)

    def _nodes(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        other: list[Row] = []
        for node in self._graph:
            if node.kind is not NodeKind.CALL:
                rows.append((node.name, node.kind.value))
                continue
            built = self._built(node)
            rows.append((node.name, built.op or node.target))
            names = (*built.ops, node.target, node.target.rpartition(".")[0])
            other += [(node.name, name) for name in names if name and name != rows[-1][1]]
        return rows, other

    def _modules(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        other: list[Row] = []
        for node in self._graph:
            rows.append((node.name, node.module_path))
            outer = node.module_path.rpartition(".")[0]
            while outer:
                other.append((node.name, outer))
                outer = outer.rpartition(".")[0]
        return rows, other

    def _types(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        other: list[Row] = []
        for node in self._graph:
            if node.module_types:
                rows.append((node.name, node.module_types[-1].rpartition(".")[2]))
                names = (name for each in node.module_types for name in (each, each.rpartition(".")[2]))
                other += [(node.name, name) for name in dict.fromkeys(names) if name != rows[-1][1]]
        return rows, other

    def _ports(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        other: list[Row] = []
        for node in self._graph:
            if node.kind is NodeKind.CALL:
                for port, role, _, names in self.inputs(node):
                    rows.append((node.name, port, role))
                    other += [(node.name, name, role) for name in names]
            for port, names in self.outputs(node):
                rows.append((node.name, port, "output"))
                other += [(node.name, name, "output") for name in names]
        return rows, other

    def _reads(self) -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        other: list[Row] = []
        for node in self._calls:
            for port, _, ref, names in self.inputs(node):
                rows.append((node.name, port, str(ref)))
                other += [(node.name, name, str(ref)) for name in names]
        return rows, other

    def _tensors(self) -> Iterator[tuple[str, tuple[int | None, ...], str]]:
        return ((node.name, node.tensor.shape, node.tensor.dtype) for node in self._graph if node.tensor is not None)

    def _dims(self) -> tuple[list[Row], list[Row]]:
        found = [
            (name, axis, size)
            for name, sizes, _ in self._tensors()
            for axis, size in enumerate(sizes)
            if size is not None
        ]
        return list(found), []

    def _lines(self) -> tuple[list[Row], list[Row]]:
        return [(each.name, each.line.file, each.line.number) for each in self._graph if each.line is not None], []


def _shape(sizes: tuple[int | None, ...]) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)
