"""What becomes of ops that work element by element, reduce or make constants: each form, and each that is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qnnsolve.facts.graph import Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.rules.builders import Built, Fate, build, layout
from tests.rules.graphs import call, param, placeholder

X, Y = placeholder("x", 1, 4, 8), placeholder("y", 1, 4, 8)
I32, I64 = placeholder("i", 1, 4, 8, dtype="int32"), placeholder("l", 1, 4, 8, dtype="int64")
MASK, SCALAR = placeholder("m", 1, 4, 8, dtype="bool"), param("c", 1)
SLOPES, IMAGE = param("slopes", 8), placeholder("image", 1, 8, 4, 4)
GIVEN = (X, Y, I32, I64, MASK, SCALAR, SLOPES, IMAGE, param("w", 8, 8, 1, 1))
x, y, i, m, c = Ref("x"), Ref("y"), Ref("i"), Ref("m"), Ref("c")


def built(target: str, *args: object, dtype: str = "float32", shape: tuple[int, ...] = (1, 4, 8)) -> Built:
    node = call("node", target, *args, shape=shape, dtype=dtype)
    return build(node, Graph.of((*GIVEN, node)))


def ports(found: Built) -> list[str]:
    return [entry.ref or entry.code for entry in found.inputs]


@pytest.mark.parametrize(
    ("target", "args", "op", "inputs"),
    [
        ("abs.default", (x,), "ElementWiseAbs", ["x"]),
        ("sqrt.default", (x,), "ElementWiseSquareRoot", ["x"]),
        ("add.Tensor", (x, y), "ElementWiseAdd", ["x", "y"]),
        ("add.Scalar", (x, 2), "ElementWiseAdd", ["x", "f32"]),
        ("add.Scalar", (i, 2), "ElementWiseAdd", ["i", "i32"]),
        ("rsub.Tensor", (x, y), "ElementWiseSubtract", ["y", "x"]),
        ("rsub.Scalar", (x, 1.0), "ElementWiseSubtract", ["f32", "x"]),
        ("pow.Tensor_Tensor", (x, c), "ElementWisePower", ["x", "f32"]),
        ("pow.Tensor_Tensor", (x, y), "ElementWisePower", ["x", "y"]),
        ("square.default", (x,), "ElementWisePower", ["x", "f32"]),
        ("masked_fill.Tensor", (x, m, c), "ElementWiseSelect", ["m", "c", "x"]),
        ("where.self", (m, x, y), "ElementWiseSelect", ["m", "x", "y"]),
        ("clamp_min.default", (x, 0.0), "ReluMinMax", ["x"]),
        ("hardsigmoid.default", (x,), "ElementWiseNeuron.hardsigmoid", ["x"]),
        ("floor_divide.default", (x, y), "ElementWiseBinary.floor_divide", ["x", "y"]),
        ("elu.default", (x, 0.5), "Elu", ["x"]),
        ("prelu.default", (x, c), "Prelu", ["x", "c"]),
        ("log_softmax.int", (x, -1), "LogSoftmax", ["x"]),
        ("softmax.int", (x, 1), "Softmax", ["x"]),
        ("amax.default", (x, (-1,)), "ReduceMax", ["x"]),
        ("sum.dim_IntList", (x, (-1,)), "ReduceSum", ["x"]),
        ("round.default", (x,), "ElementWiseRound", ["x"]),
        ("rand.default", ((1, 4),), "RandomUniformLike", ["u32"]),
    ],
)
def test_an_op_and_its_ports(target: str, args: tuple[object, ...], op: str, inputs: list[str]) -> None:
    found = built(target, *args)
    assert (found.fate, found.op, ports(found)) == (Fate.OP, op, inputs)


@pytest.mark.parametrize(
    ("target", "args", "why"),
    [
        ("add.Tensor", (x, y, 2), "alpha"),
        ("pow.Tensor_Tensor", (c, x), "broadcast"),
        ("round.decimals", (x, 2), "decimals"),
        ("elu.default", (x, 1.0, 1.05), "scales"),
        ("prelu.default", (x, y), "constant slope"),
        ("prelu.default", (Ref("image"), Ref("slopes")), "last dimension"),
        ("softmax.int", (Ref("image"), 2), "channels"),
        ("div.Tensor", (i, i), "integers"),
        ("mean.default", (x,), "no builder"),
        ("sum.dim_IntList", (x, ()), "named dimensions"),
        ("sum.dim_IntList", (i, (-1,)), "cast"),
        ("erf.default", (x,), "no builder"),
        ("to.dtype", (i,), "stored integers"),
    ],
)
def test_a_form_that_stays_on_the_cpu_says_why(target: str, args: tuple[object, ...], why: str) -> None:
    found = built(target, *args)
    assert found.fate is Fate.CPU
    assert why in found.why


@pytest.mark.parametrize(
    ("source", "dtype", "fate"),
    [
        (x, "float32", Fate.IDENTITY),
        (Ref("l"), "int32", Fate.IDENTITY),
        (m, "int32", Fate.OP),
        (m, "float32", Fate.OP),
        (i, "bool", Fate.OP),
        (x, "int32", Fate.CPU),
        (x, "bool", Fate.CPU),
    ],
)
def test_a_cast_by_what_it_casts(source: Ref, dtype: str, fate: Fate) -> None:
    assert built("to.dtype", source, dtype=dtype).fate is fate


def test_sums_of_integers_are_64_bits_wide() -> None:
    assert built("sum.dim_IntList", i, (-1,), dtype="int64").fate is Fate.CPU
    assert built("sum.dim_IntList", i, (-1,), dtype="int32").op == "ReduceSum"


@pytest.mark.parametrize("target", ["div.Tensor", "floor_divide.default"])
def test_integers_are_not_divided_in_half_precision(target: str) -> None:
    found = built(target, i, i, dtype="int32")
    assert found.fate is Fate.CPU and "integers" in found.why


def test_any_counts_the_mask() -> None:
    assert built("any.dim", m, -1, dtype="bool").ops == ("ElementWiseNotEqual", "Cast", "ReduceSum")
    assert built("any.dim", x, -1, dtype="bool").fate is Fate.CPU


@pytest.mark.parametrize(("between", "fate"), [("relu.default", Fate.OP), ("view.default", Fate.CPU)])
def test_slopes_per_channel_need_the_channels_last(between: str, fate: Fate) -> None:
    shape = (1, 8, 4, 4)
    nodes: tuple[Node, ...] = (
        call("conv", "conv2d.default", Ref("image"), Ref("w"), None, shape=shape),
        call("between", between, Ref("conv"), shape=shape),
        call("node", "prelu.default", Ref("between"), Ref("slopes"), shape=shape),
    )
    graph = Graph.of((*GIVEN, *nodes))
    assert build(graph["node"], graph).fate is fate


@pytest.mark.parametrize("wanted", [True, False])
def test_a_long_run_is_walked_once_for_all_its_nodes(wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = call("n0", "conv2d.default" if wanted else "view.default", Ref("image"), Ref("w"), shape=(1, 8, 4, 4))
    chain = [call(f"n{k}", "prelu.default", Ref(f"n{k - 1}"), Ref("slopes"), shape=(1, 8, 4, 4)) for k in range(1, 400)]
    graph, steps, around = Graph.of((*GIVEN, first, *chain)), [0], layout._around

    def counted(name: str, graph: Graph) -> Iterator[str]:
        steps[0] += 1
        return around(name, graph)

    monkeypatch.setattr(layout, "_around", counted)
    assert {layout.channels_last(node, graph) for node in chain} == {wanted}
    assert steps[0] == len(chain)


def test_a_node_does_not_put_its_own_channels_last() -> None:
    shape = (1, 8, 4, 4)
    conv, relu = (
        call("conv", "conv2d.default", Ref("image"), Ref("w"), shape=shape),
        call("r", "relu.default", Ref("conv")),
    )
    graph = Graph.of((*GIVEN, conv, relu))
    assert [layout.channels_last(node, graph) for node in (conv, relu)] == [False, True]
    second = call("next", "conv2d.default", Ref("r"), Ref("w"), shape=shape)
    graph = Graph.of((*GIVEN, conv, relu, second))
    assert [layout.channels_last(node, graph) for node in (conv, relu, second)] == [True] * 3


def test_channels_of_sequences_are_not_last() -> None:
    shape = (1, 8, 16)
    nodes = (
        call("conv", "conv1d.default", Ref("image"), Ref("w"), None, shape=shape),
        call("node", "prelu.default", Ref("conv"), Ref("slopes"), shape=shape),
    )
    graph = Graph.of((*GIVEN, *nodes))
    assert build(graph["node"], graph).fate is Fate.CPU


def test_constants_are_folded() -> None:
    node = Node("k", NodeKind.CALL, "aten.full_like.default", (x, 0.3), tensors=(TensorFact((1, 4), "float32"),))
    assert build(node, Graph.of((X, node))).fate is Fate.CONSTANT
