"""What the user asks for, as data: :class:`Wish`. Settings, flags, recipes and custom annotations all become wishes.

A wish says *where* (everything, a node, an op, a module, a type of modules, a pattern, one port of any of these),
*what* (widths, granularity, an encoding, the CPU, an observer), *how strongly*, and in *whose words*. Of the wishes
that match a port the last one that says something of a thing counts for that thing.
"""

from __future__ import annotations

import enum
import fnmatch
import functools
import re
from collections.abc import Iterator
from typing import Any

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import Graph, Node, NodeKind
from qnnsolve.rules.alike import identity, label
from qnnsolve.rules.asking_places import nodes_answering
from qnnsolve.rules.patterns import found
from qnnsolve.rules.request import Granularity, Request
from qnnsolve.sources import Source, SourceKind

__all__ = ["FOUND_BY", "OF_SCRIPT", "By", "Strength", "What", "Where", "Wish", "around", "check_port"]


OF_SCRIPT = " of the script"
"""How the name of an observer ends that only a script can make: a class of its own, or one with arguments."""


class By(enum.Enum):
    """What a place is named by."""

    ALL = "all"
    NODE = "node"
    """The node's name in the graph."""
    OP = "op"
    """The overload (``aten.add.Tensor``) or the packet (``aten.add``)."""
    MODULE = "module"
    """The path of the module in which the node stands, or of one around it; ``*`` stands for any characters."""
    TYPE = "type"
    """The class of the module, or of one around it."""
    REGEX = "re"
    """A regular expression that is found in the path of the module."""
    NODES = "nodes"
    """Nodes by their names, with commas between: what a piece of code picked."""
    QUESTION = "question"
    """The nodes that the first variable of a question stands for: ``node(N, "LayerNorm"), feeds(N, S)``."""
    SAVED = "saved"
    """A node of the graph that was solved when it was saved: by its :func:`~qnnsolve.rules.alike.identity`."""
    ANY = ""
    """The first of node, op, module and type by which anything is found."""


class Strength(enum.Enum):
    """``PREFER``: the nearest legal config, at the table of prices. ``PIN``: it must hold."""

    PREFER = "prefer"
    PIN = "pin"


@attrs.frozen(cache_hash=True, slots=False)
class Where:
    """A place in the graph. ``port`` narrows it to ``weight``, ``out``, an input by its position
    (``in[1]``), or by the node that it reads (``from:add_1``); ``out[1]`` is the second of several outputs."""

    by: By = By.ALL
    key: str = ""
    port: str = ""
    graph: str = ""
    """Of a saved node: the fingerprint of its graph."""

    def __str__(self) -> str:
        if self.by is By.NODES:
            names = self.key.split(",")
            return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        if self.by is By.SAVED:
            return f"{label(self.key)}@{self.port}" if self.port else label(self.key)
        text = (
            "*"
            if self.by is By.ALL
            else self.key
            if self.by in (By.ANY, By.QUESTION)
            else f"{self.by.value}:{self.key}"
        )
        return f"{text}@{self.port}" if self.port else text

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.key.split(","))

    def names(self, graph: Graph) -> list[str]:
        """The nodes that stand here, in the order of the graph where it is not one of names."""
        if self.by in (By.NODE, By.NODES):
            return [name for name in self.key.split(",") if name in graph.nodes]
        if self.by is By.QUESTION:
            return nodes_answering(graph, self.key)
        return [node.name for node in graph if self.finds(node)]

    def finds(self, node: Node) -> bool:
        """Whether ``node`` stands here. What a question names shows in its graph alone: see :meth:`names`."""
        match self.by:
            case By.ALL:
                return True
            case By.NODE:
                return node.name == self.key
            case By.NODES:
                return node.name in self._names
            case By.OP:
                return node.kind is NodeKind.CALL and self.key in (node.target, node.target.rpartition(".")[0])
            case By.MODULE:
                return any(fnmatch.fnmatchcase(path, self.key) for path in around(node.module_path))
            case By.TYPE:
                return any(self.key in (name, name.rpartition(".")[2]) for name in node.module_types)
            case By.REGEX:
                return node.kind is NodeKind.CALL and found(self.key, node.module_path)
            case By.QUESTION:
                return False
            case By.SAVED:
                return identity(node) == self.key
            case By.ANY:
                return any(attrs.evolve(self, by=by).finds(node) for by in FOUND_BY)


_PORT_NAME = re.compile(r"weight|out(\[\d+\])?|in\[\d+\]|from:\w+")


def check_port(port: str, words: str) -> None:
    """Refuse what names no port.

    Raises:
        UsageError: it does not; ``words`` stand in front.
    """
    if not _PORT_NAME.fullmatch(port):
        raise UsageError(f"{words}: a port is weight, out, or in[0], in[1] ..., not '{port}'")


FOUND_BY = (By.NODE, By.OP, By.MODULE, By.TYPE)


def around(path: str) -> Iterator[str]:
    """The module at ``path``, then those around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


@attrs.frozen(cache_hash=True)
class What:
    """What is asked for; None where nothing is said of a thing.

    ``activation`` in bits (0: half precision), ``symmetric`` of activations; ``weight`` in bits, with its
    ``granularity`` and ``block_size`` (one size along the input channels, or one per dimension). ``encoding`` is
    exact, and may fix scale and zero point. ``cpu``: the node is not quantized.
    ``observer`` is the name of one. ``eps``: no smaller scale, in real units per step.
    """

    activation: int | None = None
    symmetric: bool | None = None
    weight: int | None = None
    granularity: Granularity | None = None
    block_size: tuple[int, ...] | None = None
    encoding: Encoding | None = None
    cpu: bool | None = None
    observer: str | None = None
    weight_observer: str | None = None
    eps: float | None = None

    def over(self, request: Request) -> Request:
        """``request``, where this says nothing else."""
        said: dict[str, Any] = {
            "activation_bits": self.activation,
            "symmetric": self.symmetric,
            "weight_bits": self.weight,
            "granularity": self.granularity,
            "block_size": self.block_size,
        }
        return attrs.evolve(request, **{key: value for key, value in said.items() if value is not None})

    def __str__(self) -> str:
        block = None if self.block_size is None else "x".join(map(str, self.block_size))
        said = (
            None if self.activation is None else "fp16a" if self.activation == 0 else f"{self.activation}a",
            None if self.symmetric is None else "symmetric" if self.symmetric else "affine",
            None if self.weight is None else f"{self.weight}w",
            None if self.granularity is None else self.granularity.value,
            None if block is None else f"block={block}",
            None if self.encoding is None else self.encoding.name,
            "cpu" if self.cpu else None,
            None if self.observer is None else f"observer={self.observer}",
            None if self.weight_observer is None else f"weight_observer={self.weight_observer}",
            None if self.eps is None else f"eps={self.eps!r}",
        )
        return ",".join(each for each in said if each is not None)


@attrs.frozen(cache_hash=True)
class Wish:
    """One thing that the user asks for; ``words`` are theirs: ``--precision 16a8w``, ``recipe attention.yaml:14``."""

    where: Where
    what: What
    words: str
    strength: Strength = Strength.PREFER
    may_miss: bool = False
    """Whether the place need not be in the graph: settings of a class that takes any name."""
    told_as: str = ""
    """What many wishes are told as one by: the recipe whose nodes they are."""
    kind: SourceKind = SourceKind.USER
    """Who asks: the user, or the graph, since it holds what the accelerator has no place for."""

    @property
    def source(self) -> Source:
        """Who asks, in their words."""
        return Source(self.kind, self.words)
