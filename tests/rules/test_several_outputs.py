"""Ops with several outputs: each output is a port of the op, and lives where it is taken out of the tuple."""

from __future__ import annotations

import pytest

from qnnsolve.constraints import Same, Site, Table
from qnnsolve.encodings import FLOAT
from qnnsolve.explain import placements
from qnnsolve.facts.graph import Node, Ref, TensorFact
from qnnsolve.results import Placement
from qnnsolve.rules import Facts, costs, problem_of
from qnnsolve.rules.builders import Fate
from qnnsolve.solver import Solution, solve
from tests.rules.graphs import (
    U8,
    U16,
    X,
    call,
    facts,
    item,
    of_kind,
    param,
    placeholder,
    rows,
    several,
    tensor,
    yielded,
)

HALF = TensorFact((1, 2), "float32")
INDICES = TensorFact((1, 2), "int64")
SPLIT = several("split", "split_with_sizes.default", Ref("x"), (2, 2), -1, tensors=(HALF, HALF))
LEFT, RIGHT = item("left", SPLIT, 0), item("right", SPLIT, 1)
TOPK = several("topk", "topk.default", Ref("x"), 2, tensors=(HALF, INDICES))


def solved(given: Facts) -> Solution:
    outcome = solve(problem_of(given))
    assert isinstance(outcome, Solution)
    return outcome


def test_each_output_is_a_site_and_the_tuple_is_none() -> None:
    assert set(facts(X, SPLIT, LEFT, RIGHT).domains) == {Site("x"), Site("x", "split"), Site("left"), Site("right")}


def test_a_tuple_of_one_tensor_is_no_tensor() -> None:
    alone = several("split", "unbind.int", Ref("x"), tensors=(HALF,))
    assert alone.tensor is None
    assert set(facts(X, alone, item("left", alone, 0)).domains) == {Site("x"), Site("x", "split"), Site("left")}


def test_a_repeated_output_has_a_table_of_its_own_and_the_node_pays_for_the_cpu_once() -> None:
    left, right = of_kind(Table, yielded("QC001", facts(X, SPLIT, LEFT, RIGHT)))
    assert (left.sites, right.sites) == ((Site("x", "split"), Site("left")), (Site("x", "split"), Site("right")))
    assert rows(left) == {(U8, U8): 0, (U16, U16): 0, (FLOAT, FLOAT): costs.CPU}
    assert rows(right) == {(U8, U8): 0, (U16, U16): 0, (FLOAT, FLOAT): 0}


def test_a_split_into_forty_parts_stays_small() -> None:
    many = several("split", "split_with_sizes.default", Ref("x"), (1,) * 40, tensors=(HALF,) * 40)
    given = facts(X, many, *(item(f"part{port}", many, port) for port in range(40)))
    assert max(len(c.relation.rows) for c in of_kind(Table, yielded("QC001", given))) == 3
    assert {solved(given).encodings[Site(f"part{port}")] for port in range(40)} == {U8}


def test_all_parts_share_the_encoding_of_what_is_split() -> None:
    (found,) = of_kind(Same, yielded("QC002", facts(X, SPLIT, LEFT, RIGHT)))
    assert found.sites == (Site("x", "split"), Site("left"), Site("right"))


def test_an_integer_output_is_a_code_and_not_a_site() -> None:
    (found,) = of_kind(Table, yielded("QC001", facts(X, TOPK, item("values", TOPK, 0), item("where", TOPK, 1))))
    assert found.sites == (Site("x", "topk"), Site("values"))
    assert set(rows(found)) == {(U8, U8), (U16, U16), (FLOAT, FLOAT)}
    (same,) = of_kind(Same, yielded("QC002", facts(X, TOPK, item("values", TOPK, 0), item("where", TOPK, 1))))
    assert same.sites == (Site("x", "topk"), Site("values"))


def test_an_output_that_nobody_reads_is_declared_like_the_input() -> None:
    (found,) = of_kind(Table, yielded("QC001", facts(X, TOPK, item("where", TOPK, 1))))
    assert found.sites == (Site("x", "topk"),)
    assert set(rows(found)) == {(U8,), (U16,), (FLOAT,)}


def test_an_output_that_is_taken_out_twice_is_one_tensor() -> None:
    again = item("again", SPLIT, 0)
    found = of_kind(Same, yielded("QC002", facts(X, SPLIT, LEFT, again)))
    assert (Site("left"), Site("again")) in {same.sites for same in found}


@pytest.mark.parametrize(("read", "ops"), [((0,), ["ReduceMax"]), ((0, 1), ["ReduceMax", "Argmax"])])
def test_values_and_indices_of_an_extreme_are_two_ops(read: tuple[int, ...], ops: list[str]) -> None:
    extreme = several("max_1", "max.dim", Ref("x"), 1, tensors=(HALF, INDICES))
    given = facts(X, extreme, *(item(f"item{port}", extreme, port) for port in read))
    assert list(given.built["max_1"].ops) == ops
    found = of_kind(Table, yielded("QC001", given))
    assert [c.reason.get("op") for c in found] == ops
    if "Argmax" in ops:  # the tables above know it at 8 bits only
        assert solved(given).encodings[Site("x", "max_1")] == U8


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (several("n", "topk.default", Ref("x"), 2, 0, tensors=(HALF, INDICES)), "last dimension"),
        (several("n", "max_pool2d.default", Ref("x"), (2, 2), (2, 2), 0, 2, tensors=(HALF,)), "dilation"),
        (several("n", "chunk.default", Ref("x"), 1, tensors=(HALF,)), "two parts"),
        (several("n", "max_pool2d_with_indices.default", Ref("x"), (2, 2), tensors=(HALF, INDICES)), "no indices"),
    ],
    ids=["dim", "dilation", "one part", "indices"],
)
def test_what_executorch_cannot_build_stays_on_the_cpu_and_takes_its_outputs_along(node: Node, why: str) -> None:
    given = facts(X, node, *(item(f"item{port}", node, port) for port in range(len(node.tensors))))
    assert given.built["n"].fate is Fate.CPU
    assert why in given.built["n"].why
    where = placements(given, solved(given).encodings)
    assert set(where.values()) == {Placement.CPU}


def test_sorting_is_along_the_channels_where_they_are_last() -> None:
    image, weight = placeholder("x", 1, 4, 8, 8), param("w", 4, 4, 1, 1)
    conv = call("conv", "conv2d.default", Ref("x"), Ref("w"), None, shape=(1, 4, 8, 8))
    relu = call("relu", "relu.default", Ref("conv"), shape=(1, 4, 8, 8))

    def fate(dim: int, *before: Node) -> Fate:
        source = Ref(before[-1].name)
        return facts(*before, several("n", "topk.default", source, 2, dim, tensors=(HALF, INDICES))).built["n"].fate

    assert (fate(1, image, weight, conv, relu), fate(-1, image, weight, conv, relu)) == (Fate.OP, Fate.CPU)
    assert (fate(1, image), fate(-1, image)) == (Fate.CPU, Fate.OP)


def test_an_item_is_where_its_tuple_is() -> None:
    bessel = call("bessel", "special_i0.default", Ref("left"))
    given = facts(X, SPLIT, LEFT, RIGHT, bessel, call("relu", "relu.default", Ref("right")))
    where = placements(given, solved(given).encodings)
    assert where["split"] is Placement.NPU
    assert (where["left"], where["right"]) == (Placement.NONE, Placement.NONE)
    assert where["bessel"] is Placement.CPU


def test_integers_are_split_on_the_accelerator_unless_only_the_cpu_reads_them() -> None:
    integers = several("split", "split_with_sizes.default", Ref("i"), (2, 2), -1, tensors=(INDICES, INDICES))
    i, taken = placeholder("i", 1, 4, dtype="int64"), item("left", integers, 0)
    add = call("add", "add.Tensor", Ref("left"), Ref("left"), dtype="int64")
    assert placements(facts(i, integers, taken, add), {})["split"] is Placement.NPU
    other = Node("odd", add.kind, "aten.special_i0.default", (Ref("left"),), tensors=tensor(1, 2))
    where = placements(facts(i, integers, taken, other), {Site("left", "odd"): FLOAT, Site("odd"): FLOAT})
    assert (where["split"], where["left"]) == (Placement.CPU, Placement.CPU)


def test_a_fixed_scale_reaches_through_a_split() -> None:
    sigmoid = call("s", "sigmoid.default", Ref("x"))
    split = several("split", "split_with_sizes.default", Ref("s"), (2, 2), tensors=(HALF, HALF))
    given = facts(X, sigmoid, split, item("left", split, 0))
    assert {e.scale for e in given.domains[Site("left")]} == {None, 2**-8, 2**-16}
    assert solved(given).encodings[Site("left")].scale == 2**-8
