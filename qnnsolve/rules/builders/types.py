"""The words of a builder: what becomes of a node (:class:`Built`), and how its arguments are read."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import attrs

from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.request import Role

__all__ = ["Builder", "Built", "Fate", "Input", "identity", "on_cpu", "op", "ref_at", "shape_of", "table"]


class Fate(enum.Enum):
    """What lowering does with a node."""

    OP = "becomes an op of the accelerator"
    IDENTITY = "is removed; its users read its input"
    CONSTANT = "is folded into a static tensor"
    CPU = "cannot be built by ExecuTorch"
    UNKNOWN = "no facts"


@attrs.frozen(cache_hash=True)
class Input:
    """One input port, in QNN's order: the node read (None: an optional input that is absent) and its role."""

    ref: Ref | None
    role: Role = Role.ACTIVATION
    ch_axis: int = 0


@attrs.frozen(cache_hash=True)
class Built:
    """The fate of one node. ``why`` explains a :attr:`Fate.CPU`."""

    fate: Fate
    op: str | None = None
    inputs: tuple[Input, ...] = ()
    case: str | None = None
    why: str = ""


Builder: TypeAlias = Callable[[Node, Graph], Built]


def op(name: str, *ports: int) -> Builder:
    """The builder of the QNN op ``name`` whose inputs are activations at these argument positions."""

    def builder(node: Node, graph: Graph) -> Built:
        return Built(Fate.OP, name, tuple(Input(ref_at(node, port)) for port in ports))

    return builder


def identity(node: Node, graph: Graph) -> Built:
    """A node that lowering removes: its users read its first argument."""
    return Built(Fate.IDENTITY, None, (Input(ref_at(node, 0)),))


def on_cpu(why: str) -> Built:
    """A node that ExecuTorch cannot build, and why."""
    return Built(Fate.CPU, why=why)


def ref_at(node: Node, index: int, name: str = "") -> Ref | None:
    """The node read at positional argument ``index`` (or keyword ``name``); None where that is no tensor."""
    value = node.argument(index, name)
    return value if isinstance(value, Ref) else None


def shape_of(graph: Graph, ref: Ref | None) -> tuple[int | None, ...]:
    """The shape of a node's single output; empty where there is none."""
    tensor = graph[ref].tensor if ref is not None else None
    return () if tensor is None else tensor.shape


def table(*groups: tuple[Builder, Iterable[str]]) -> Mapping[str, Builder]:
    """Builders by aten target, from ``(builder, targets without the leading aten.)``.

    Raises:
        ValueError: a target is described twice.
    """
    found: dict[str, Builder] = {}
    for builder, names in groups:
        for name in names:
            if name in found:
                raise ValueError(f"aten.{name} is described twice")
            found[f"aten.{name}"] = builder
    return MappingProxyType(found)
