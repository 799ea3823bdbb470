"""Graphs and operator tables by hand, and what the rules yield over them: what the tests of rules are written in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from qnnsolve.constraints import Constraint, Derived, Table
from qnnsolve.encodings import DType, Encoding
from qnnsolve.facts.curated import curated
from qnnsolve.facts.graph import GETITEM, Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.facts.tables import Case, OpTable, TableRow
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.rules import Facts, backend_rules
from qnnsolve.rules.request import Request, precision
from qnnsolve.sources import Source, SourceKind

U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
S8C = Encoding.symmetric(DType.INT8, 8, ch_axis=0)
S32C = Encoding.symmetric(DType.INT32, 32, ch_axis=0)
HERE = Source(SourceKind.MEASURED, "test")


def table(op: str, *rows: str, repeats: str | None = None, symmetric: dict[str, str] | None = None) -> OpTable:
    parsed = []
    for row in rows:
        left, right = row.split(" > ")
        ports = frozenset((symmetric or {}).get(row, "").split())
        parsed.append(TableRow(tuple(left.split()), tuple(right.split()), frozenset({"V68", "V73"}), ports))
    inputs = tuple(f"in[{port}]" for port in range(len(parsed[0].inputs)))
    outputs = tuple(f"out[{port}]" for port in range(len(parsed[0].outputs)))
    case = Case("only", "", tuple(("u8",) for _ in (*inputs, *outputs)), tuple(parsed))
    return OpTable(op, "htp", inputs, outputs, repeats, (case,), HERE)


TABLES = (
    table("Relu", "u8 > u8", "u16 > u16", "f32 > f32"),
    table("Reshape", "u8 > u8", "u16 > u16", "u8 > u16"),
    table("Conv2d", "u8 s8c s32c > u8", "u16 s8c s32c > u16", "u8 s8c - > u8", "u8 s4b s32c > u8"),
    table("MatMul", "u8 u8 > u8", "u16 u8 > u16", "u16 s16 > u16", symmetric={"u16 s16 > u16": "in[1]"}),
    table("Concat", "u8 u8 > u8", "u16 u16 > u16", "u8 u8 > u16", repeats="in[0]"),
    table("Sigmoid", "u8 > u8", "u16 > u16"),
    table("Convert", "u8 > u16", "u16 > u8", "u16 > s16"),
    table("ElementWiseSelect", "b8 u8 u8 > u8"),
    table("ElementWiseAdd", "u8 u8 > u8", "i32 i32 > i32"),
    table("Split", "u8 > u8 u8", "u16 > u16 u16", "i32 > i32 i32", repeats="out[0]"),
    table("TopK", "u8 > u8 i32", "u16 > u16 i32"),
    table("ReduceMax", "u8 > u8", "u16 > u16"),
    table("Argmax", "u8 > i32"),
    table("PoolMax2d", "u8 > u8"),
)


def tensor(*shape: int, dtype: str = "float32") -> tuple[TensorFact, ...]:
    return (TensorFact(shape, dtype),)


def placeholder(name: str, *shape: int, dtype: str = "float32") -> Node:
    return Node(name, NodeKind.INPUT, name, tensors=tensor(*shape, dtype=dtype))


def param(name: str, *shape: int) -> Node:
    return Node(name, NodeKind.PARAM, name, tensors=tensor(*shape))


def call(name: str, target: str, *args: object, shape: tuple[int, ...] = (1, 4), dtype: str = "float32") -> Node:
    return Node(name, NodeKind.CALL, f"aten.{target}", args, tensors=tensor(*shape, dtype=dtype))  # type: ignore[arg-type]


def several(name: str, target: str, *args: object, tensors: tuple[TensorFact, ...]) -> Node:
    """A call that yields a tuple."""
    return Node(name, NodeKind.CALL, f"aten.{target}", args, tensors=tensors, several=True)  # type: ignore[arg-type]


def item(name: str, of: Node, port: int) -> Node:
    """The node that takes one output out of ``of``."""
    return Node(name, NodeKind.CALL, GETITEM, (Ref(of.name), port), tensors=(of.tensors[port],))


def facts(*nodes: Node, ask: str = "8a8w", arch: str = "V68") -> Facts:
    operators = OperatorFacts("htp", arch, {t.op: t for t in TABLES}, curated("htp"))
    return Facts.of(Graph.of(nodes), operators, Request.of(precision(ask)))


def yielded(code: str, given: Facts) -> list[Constraint]:
    rule = next(rule for rule in backend_rules("htp") if rule.code == code)
    return list(rule.generate(given))


C = TypeVar("C")


def of_kind(kind: type[C], constraints: Iterable[Constraint]) -> list[C]:
    return [c for c in constraints if isinstance(c, kind)]


X, W, B = placeholder("x", 1, 4), param("w", 4, 4, 1, 1), param("b", 4)
CONV = call("conv", "conv2d.default", Ref("x"), Ref("w"), Ref("b"))
RELU = call("relu", "relu.default", Ref("x"))


def rows(constraint: Constraint) -> dict[tuple[Encoding, ...], int]:
    assert isinstance(constraint, Table | Derived)
    return constraint.relation.price_of
