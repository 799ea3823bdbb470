"""Graph facts: what a rule may know of the model. Frozen, hashable, free of torch.

:mod:`qnnsolve.facts.fx` makes them from an FX graph; tests and benchmarks make them by hand.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import attrs

from qnnsolve.errors import UnsupportedGraphError

__all__ = ["GETITEM", "Argument", "CodeLine", "Graph", "Node", "NodeKind", "Ref", "TensorFact"]

GETITEM = "operator.getitem"
"""Target of the nodes that take one tensor out of a node with several outputs."""


class NodeKind(enum.Enum):
    """What a node of the graph is, in FX's terms; ``PARAM`` is a ``get_attr``."""

    INPUT = "placeholder"
    PARAM = "get_attr"
    CALL = "call_function"
    OUTPUT = "output"
    OTHER = "other"


class Ref(str):
    """The name of another node, where it stands as an argument."""

    __slots__ = ()


Argument: TypeAlias = "Ref | str | int | float | bool | tuple[Argument, ...] | None"


@attrs.frozen(cache_hash=True)
class TensorFact:
    """Shape (outermost dimension first; None: not static) and torch dtype name (``float32``) of a tensor."""

    shape: tuple[int | None, ...]
    dtype: str

    @property
    def is_float(self) -> bool:
        """True where torchao can observe it: ExecuTorch quantizes float32 and bfloat16 only."""
        return self.dtype in ("float32", "bfloat16")

    @property
    def numel(self) -> int | None:
        """Number of elements, or None where a dimension is not static."""
        total = 1
        for size in self.shape:
            if size is None:
                return None
            total *= size
        return total


@attrs.frozen
class CodeLine:
    """A line of a program: its file as Python names it, its number from 1 on, its text."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}"


@attrs.frozen(cache_hash=True)
class Node:
    """One node: ``target`` is the overload's name (``aten.add.Tensor``) for calls, the attribute for params.

    ``tensors`` holds one fact per output; empty where the node yields no tensor. ``several`` says that the node yields
    a tuple (even of one tensor), whose outputs :data:`GETITEM` nodes read.
    """

    name: str
    kind: NodeKind
    target: str
    args: tuple[Argument, ...] = ()
    kwargs: tuple[tuple[str, Argument], ...] = ()
    tensors: tuple[TensorFact, ...] = ()
    module_path: str = ""
    several: bool = False
    line: CodeLine | None = None
    """The innermost line of the model's program, torch's own left out, that called it; None where nobody noted it."""
    module_types: tuple[str, ...] = ()
    """Classes of the modules around it, with their modules, the outermost first."""

    @property
    def tensor(self) -> TensorFact | None:
        """The output where the node yields a tensor, and not a tuple."""
        return self.tensors[0] if len(self.tensors) == 1 and not self.several else None

    def argument(self, index: int, name: str = "", default: Argument = None) -> Argument:
        """Positional argument ``index``, else keyword ``name``, else ``default``."""
        if index < len(self.args):
            return self.args[index]
        return dict(self.kwargs).get(name, default)

    def refs(self) -> tuple[Ref, ...]:
        """Nodes that this one reads, in argument order, each once."""
        found: dict[Ref, None] = {}
        for argument in self.args:
            if isinstance(argument, Ref):
                found[argument] = None
            elif isinstance(argument, tuple):
                found.update(dict.fromkeys(_refs(argument)))
        for _, argument in self.kwargs:
            found.update(dict.fromkeys(_refs((argument,))))
        return tuple(found)


def _refs(arguments: tuple[Argument, ...]) -> Iterator[Ref]:
    for argument in arguments:
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, tuple):
            yield from _refs(argument)


@attrs.frozen(eq=False)
class Graph:
    """Nodes by name, in topological order, and who uses and reads whom.

    Raises:
        UnsupportedGraphError: a node reads one that does not come before it.
    """

    nodes: Mapping[str, Node]
    users: Mapping[str, tuple[str, ...]]
    reads: Mapping[str, tuple[Ref, ...]]
    """What :meth:`Node.refs` of each node says."""

    @classmethod
    def of(cls, nodes: tuple[Node, ...]) -> Graph:
        """The graph of these nodes; users in topological order."""
        by_name: dict[str, Node] = {}
        users: dict[str, list[str]] = {}
        reads: dict[str, tuple[Ref, ...]] = {}
        for node in nodes:
            reads[node.name] = node.refs()
            for ref in reads[node.name]:
                if ref not in by_name:
                    raise UnsupportedGraphError(node.name, f"reads '{ref}', which does not come before it")
                users[ref].append(node.name)
            if node.name in by_name:
                raise UnsupportedGraphError(node.name, "appears twice")
            by_name[node.name] = node
            users[node.name] = []
        used = {name: tuple(readers) for name, readers in users.items()}
        return cls(MappingProxyType(by_name), MappingProxyType(used), MappingProxyType(reads))

    @functools.cached_property
    def largest_rank(self) -> int:
        """The most dimensions that a tensor of the graph has."""
        tensors = {id(tensor): tensor for node in self for tensor in node.tensors}  # many share one
        return max((len(tensor.shape) for tensor in tensors.values()), default=0)

    def items_of(self, name: str) -> Mapping[int, tuple[str, ...]]:
        """The nodes that take each output out of the tuple that ``name`` yields, by output, in order."""
        found: dict[int, tuple[str, ...]] = {}
        for user in self.users[name]:
            index = self[user].argument(1)
            if self[user].target == GETITEM and isinstance(index, int):
                found[index] = (*found.get(index, ()), user)
        return found

    def readers(self, name: str) -> tuple[str, ...]:
        """The nodes that read an output of ``name``, also where it has several."""
        found: dict[str, None] = {}
        for user in self.users[name]:
            found.update(dict.fromkeys(self.users[user] if self[user].target == GETITEM else (user,)))
        return tuple(found)

    def is_param(self, name: str | None) -> bool:
        """True where ``name`` is a parameter, buffer or lifted constant of the model."""
        return name is not None and self.nodes[name].kind is NodeKind.PARAM

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)
