"""A graph of a few nodes for each rule, on which the rule has something to say: data for :mod:`reference.examples`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from qnnsolve.encodings import DType, Encoding
from qnnsolve.facts.backends import backend
from qnnsolve.facts.graph import Argument, Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.opinfo_facts import FactsSource, operator_facts
from qnnsolve.rules.base import Facts
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength

__all__ = ["EXAMPLES", "Example"]


@attrs.frozen
class Example:
    """A graph, and what is asked for; ``no_candidate`` names a node and an encoding that its output cannot have."""

    nodes: tuple[Node, ...]
    arch: str = "V79"
    ask: str = "8a8w"
    pin: str = ""
    name: str = "htp"
    no_candidate: tuple[str, Encoding] | None = None

    def facts(self) -> Facts:
        """What is known of it."""
        wishes = [parse_wish(self.pin, Strength.PIN, f"--pin {self.pin}")] if self.pin else []
        arch = self.arch if self.name == "htp" else backend(self.name).archs[-1]
        operators = operator_facts(self.name, arch, None, FactsSource.MEASURED)
        return Facts.of(Graph.of(self.nodes), operators, Request.of(precision(self.ask)), wishes)

    @property
    def where(self) -> str:
        """The chip, and what is asked for."""
        chip = f"HTP {self.arch}" if self.name == "htp" else self.name.upper()
        return f"{chip}, {self.ask}{f', --pin {self.pin}' if self.pin else ''}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Each call as a line: its name, its op, what it reads."""
        calls = (node for node in self.nodes if node.kind is NodeKind.CALL)
        return tuple(f"{node.name} = {node.target.split('.')[1]}({', '.join(node.refs())})" for node in calls)


def _tensor(*shape: int, dtype: str = "float32") -> tuple[TensorFact, ...]:
    return (TensorFact(shape, dtype),)


def _input(name: str, *shape: int, dtype: str = "float32") -> Node:
    return Node(name, NodeKind.INPUT, name, tensors=_tensor(*shape, dtype=dtype))


def _param(name: str, *shape: int) -> Node:
    return Node(name, NodeKind.PARAM, name, tensors=_tensor(*shape))


def _call(name: str, target: str, *args: Argument, shape: tuple[int, ...]) -> Node:
    return Node(name, NodeKind.CALL, f"aten.{target}", args, tensors=_tensor(*shape))


def _conv(kernel: int, channels: int = 32) -> tuple[Node, ...]:
    return (
        _input("x", 1, channels, 8, 8),
        _param("weight", 16, channels, kernel, kernel),
        _param("bias", 16),
        _call(
            "conv",
            "conv2d.default",
            *(Ref("x"), Ref("weight"), Ref("bias"), (1, 1), (kernel // 2, kernel // 2)),
            shape=(1, 16, 8, 8),
        ),
    )


_X = _input("x", 1, 8)
_SIGMOID = _call("sigmoid", "sigmoid.default", Ref("x"), shape=(1, 8))
_CACHE = _param("cache", 4, 8)
_PUT = (
    _CACHE,
    _input("at", 2, dtype="int64"),
    _input("new", 2, 8),
    _call("put", "index_put_.default", Ref("cache"), (Ref("at"),), Ref("new"), shape=(4, 8)),
)

EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "QC001": Example(
            (
                _input("a", 1, 4, 8),
                _input("b", 1, 8, 4),
                _call("matmul", "matmul.default", Ref("a"), Ref("b"), shape=(1, 4, 4)),
            ),
            arch="V68",
            ask="16a8w",
        ),
        "QC002": Example((_X, _call("reshape", "reshape.default", Ref("x"), (2, 4), shape=(2, 4)))),
        "QC003": Example(
            (
                _X,
                _param("weight", 4, 8),
                _param("bias", 4),
                _call("linear", "linear.default", Ref("x"), Ref("weight"), Ref("bias"), shape=(1, 4)),
            )
        ),
        "QC004": Example((_X, _SIGMOID, _call("relu", "relu.default", Ref("sigmoid"), shape=(1, 8)))),
        "QC005": Example((_X, _input("y", 1, 8), _call("cat", "cat.default", (Ref("x"), Ref("y")), 1, shape=(1, 16)))),
        "QC006": Example((_X, _SIGMOID), ask="16a8w"),
        "QC007": Example(
            (
                _X,
                _call("full", "full.default", (1, 8), 1.0, shape=(1, 8)),
                _call("add", "add.Tensor", Ref("x"), Ref("full"), shape=(1, 8)),
            )
        ),
        "QC009": Example(_conv(1, channels=24), ask="16a4w_block"),
        "QC010": Example((_X, _SIGMOID), ask="16a8w", pin="sigmoid@out=u16"),
        "QC011": Example((_X, _SIGMOID), no_candidate=("sigmoid", Encoding.symmetric(DType.INT8, 8))),
        "QC012": Example(
            (
                _CACHE,
                _input("new", 1, 8),
                _call("read", "add.Tensor", Ref("cache"), Ref("new"), shape=(4, 8)),
                _call("write", "copy_.default", Ref("cache"), Ref("read"), shape=(4, 8)),
            )
        ),
        "QH001": Example(_conv(1), arch="V68", ask="16a4w_block"),
        "QH002": Example((*_conv(3), _call("relu", "relu.default", Ref("conv"), shape=(1, 16, 8, 8)))),
        "QH004": Example(_conv(3), ask="16a4w_block"),
        "QH005": Example(
            (
                *_PUT,
                _call("again", "index_put_.default", Ref("cache"), (Ref("at"),), Ref("put"), shape=(4, 8)),
            )
        ),
        "QL001": Example((_X, _SIGMOID), ask="fp16a8w", name="lpai"),
    }
)
"""By the code of the rule."""
