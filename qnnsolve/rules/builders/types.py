"""The words of a builder: what becomes of a node (:class:`Built`), and how its arguments are read."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import attrs

from qnnsolve.facts.graph import GETITEM, Graph, Node, Ref
from qnnsolve.rules.request import Role

__all__ = [
    "OUTPUT",
    "Builder",
    "Built",
    "Fate",
    "Input",
    "SideOp",
    "identity",
    "item",
    "no_builder",
    "on_cpu",
    "op",
    "operand",
    "ref_at",
    "shape_of",
    "table",
]


class Fate(enum.Enum):
    """What lowering does with a node."""

    OP = "becomes an op of the accelerator"
    IDENTITY = "is removed; its users read its input"
    CONSTANT = "is folded into a static tensor"
    ITEM = "names one output of the node it reads"
    CPU = "cannot be built by ExecuTorch"
    UNKNOWN = "no facts"


OUTPUT = -1
"""The first output, where :attr:`Input.like` names a port."""


@attrs.frozen(cache_hash=True)
class Input:
    """One input port, in QNN's order: the node read and its role.

    Without a node, ``code`` says what is there: ``-`` an optional input that is absent, else the port code of a
    constant that lowering makes of a plain number. A constant that lowering quantizes is ``like`` another port (its
    position among the node's inputs, or :data:`OUTPUT`): it takes that port's encoding.
    """

    ref: Ref | None
    role: Role = Role.ACTIVATION
    ch_axis: int = 0
    code: str = "-"
    like: int | None = None


@attrs.frozen(cache_hash=True)
class SideOp:
    """An op beside the main one: what it reads, then what it writes, as positions among the node's ports.

    A tensor in between has no port of its own: it carries the encoding of the port that is named for it. A Reshape in
    front of the main op is ``(0, 0)``. One that is never quantized stands as its port code.
    """

    op: str
    ports: tuple[int | str, ...]
    case: str | None = None


@attrs.frozen(cache_hash=True)
class Built:
    """The fate of one node. ``why`` explains a :attr:`Fate.CPU`.

    ``outputs`` are the node's outputs that the main op ``op`` writes, in QNN's order (None: all of them); ``steps``
    are the ops that stand beside it. The ports of a node are its inputs, then all its outputs.
    """

    fate: Fate
    op: str | None = None
    inputs: tuple[Input, ...] = ()
    case: str | None = None
    why: str = ""
    outputs: tuple[int, ...] | None = None
    steps: tuple[SideOp, ...] = ()

    @property
    def ops(self) -> tuple[str, ...]:
        """Every QNN op that the node becomes."""
        return () if self.op is None else (self.op, *(step.op for step in self.steps))


Builder: TypeAlias = Callable[[Node, Graph], Built]


def op(name: str, *ports: int) -> Builder:
    """The builder of the QNN op ``name`` whose inputs are activations at these argument positions."""

    def builder(node: Node, graph: Graph) -> Built:
        return Built(Fate.OP, name, tuple(Input(ref_at(node, port)) for port in ports))

    return builder


def identity(node: Node, graph: Graph) -> Built:
    """A node that lowering removes: its users read its first argument."""
    return Built(Fate.IDENTITY, None, (Input(ref_at(node, 0)),))


def item(node: Node, graph: Graph) -> Built:
    """A node that takes one tensor out of a tuple: its site is that output of the node it reads."""
    return Built(Fate.ITEM)


def on_cpu(why: str) -> Built:
    """A node that ExecuTorch cannot build, and why."""
    return Built(Fate.CPU, why=why)


def no_builder(node: Node, graph: Graph) -> Built:
    """A node whose op ExecuTorch knows, and has no builder for."""
    return on_cpu(f"ExecuTorch has no builder for {node.target}")


def operand(node: Node, graph: Graph, index: int) -> Input:
    """The activation at argument ``index``, where a plain number stands for a constant without an encoding.

    Lowering gives the constant the dtype of the node's tensors (``lift_constant_scalar_operands.py``).
    """
    value = node.argument(index)
    if isinstance(value, Ref) or value is None:
        return Input(value)
    read = [tensor for tensor in (graph[ref].tensor for ref in graph.reads[node.name]) if tensor is not None]
    floats = any(tensor.is_float for tensor in read) or isinstance(value, float)
    return Input(None, code="f32" if floats else "i32")


def ref_at(node: Node, index: int, name: str = "") -> Ref | None:
    """The node read at positional argument ``index`` (or keyword ``name``); None where that is no tensor."""
    value = node.argument(index, name)
    return value if isinstance(value, Ref) else None


def shape_of(graph: Graph, ref: Ref | None) -> tuple[int | None, ...]:
    """The shape of a node's single output; empty where there is none."""
    tensor = graph[ref].tensor if ref is not None else None
    return () if tensor is None else tensor.shape


_NAMESPACES = (GETITEM, "qnn_custom.")


def table(*groups: tuple[Builder, Iterable[str]]) -> Mapping[str, Builder]:
    """Builders by target, from ``(builder, targets without the leading aten.)``; other namespaces stand in full.

    Raises:
        ValueError: a target is described twice.
    """
    found: dict[str, Builder] = {}
    for builder, names in groups:
        for name in names:
            target = name if name.startswith(_NAMESPACES) else f"aten.{name}"
            if target in found:
                raise ValueError(f"{target} is described twice")
            found[target] = builder
    return MappingProxyType(found)
