"""Each rule fires where its pattern stands, and nowhere else."""

from __future__ import annotations

import pytest

from qnnsolve.constraints import Convertible, Derived, Forbid, Prefer, Same, Site, Table
from qnnsolve.encodings import FLOAT, FP16, DType, Encoding
from qnnsolve.errors import UnknownNameError
from qnnsolve.facts.graph import Graph, Ref
from qnnsolve.rules import backend_rules, costs, problem_of
from qnnsolve.rules.builders import BUILDERS, Fate, build
from qnnsolve.rules.request import PRECISIONS
from qnnsolve.solver import Solution, solve
from tests.rules.graphs import (
    CONV,
    RELU,
    S8C,
    S32C,
    U8,
    U16,
    B,
    W,
    X,
    call,
    facts,
    of_kind,
    param,
    placeholder,
    rows,
    yielded,
)


def test_table_has_the_accepted_rows_and_the_cpu_at_its_price() -> None:
    (found,) = yielded("QC001", facts(X, RELU))
    assert rows(found) == {(U8, U8): 0, (U16, U16): 0, (FLOAT, FLOAT): costs.CPU}


def test_table_keeps_one_column_for_a_tensor_that_is_read_twice() -> None:
    (found,) = of_kind(Table, yielded("QC001", facts(X, call("add", "add.Tensor", Ref("x"), Ref("x")))))
    assert found.sites == (Site("x", "add"), Site("add"))
    assert (U8, U8) in rows(found)


def test_table_takes_half_precision_as_f32_where_no_weight_is_quantized() -> None:
    (found,) = yielded("QC001", facts(X, RELU, ask="fp16a8w"))
    assert rows(found) == {(FP16, FP16): 0, (FLOAT, FLOAT): costs.CPU}


def test_table_wants_symmetry_where_the_backend_does() -> None:
    y = placeholder("y", 1, 4)
    (found,) = yielded("QC001", facts(X, y, call("mm", "bmm.default", Ref("x"), Ref("y")), ask="16a8w"))
    s16 = Encoding.symmetric(DType.INT16, 16)
    assert (U16, s16, U16) in rows(found)
    assert (U16, U16, U16) not in rows(found)


def test_table_reads_a_mask_by_its_own_dtype() -> None:
    mask = placeholder("m", 1, 4, dtype="bool")
    given = facts(mask, X, call("w2", "where.self", Ref("m"), Ref("x"), Ref("x")))
    (found,) = of_kind(Table, yielded("QC001", given))
    assert found.sites == (Site("x", "w2"), Site("w2"))
    assert (U8, U8) in rows(found)


def test_table_says_nothing_of_integers_and_identities() -> None:
    ids = placeholder("i", 4, dtype="int64")
    add = call("add", "add.Tensor", Ref("i"), Ref("i"), dtype="int64")
    assert yielded("QC001", facts(ids, add, X, call("drop", "dropout.default", Ref("x")))) == []


def test_moving_bits_share_one_encoding() -> None:
    (found,) = of_kind(Same, yielded("QC002", facts(X, call("view", "view.default", Ref("x")))))
    assert found.sites == (Site("x", "view"), Site("view"))


def test_what_lowering_removes_shares_too() -> None:
    assert of_kind(Same, yielded("QC002", facts(X, call("drop", "dropout.default", Ref("x"), 0.1, False))))


def test_an_op_that_computes_does_not_share() -> None:
    assert yielded("QC002", facts(X, RELU)) == []


def test_bias_follows_input_and_weight() -> None:
    (found,) = yielded("QC003", facts(X, W, B, CONV))
    assert isinstance(found, Derived)
    assert found.site == Site("b", "conv")
    assert (U8, S8C, S32C) in rows(found)
    assert (U8, S8C, FLOAT) not in rows(found)
    assert (FLOAT, FLOAT, FLOAT) in rows(found)


def test_no_bias_no_derivation() -> None:
    assert yielded("QC003", facts(X, W, call("conv", "conv2d.default", Ref("x"), Ref("w"), None))) == []


def test_edges_convert_where_the_table_of_convert_says_so() -> None:
    _, found = of_kind(Convertible, yielded("QC004", facts(X, RELU, call("relu2", "relu.default", Ref("relu")))))
    assert {(U8, U16), (U16, U8), (FLOAT, U8), (U8, FLOAT)} <= found.pairs
    assert found.price == costs.convert(4)


def test_edges_from_parameters_are_free_and_those_from_an_input_are_not() -> None:
    (found,) = of_kind(Convertible, yielded("QC004", facts(X, W, B, CONV)))
    assert (found.source, found.target) == (Site("x"), Site("x", "conv"))


def test_an_input_that_several_nodes_read_is_quantized_once() -> None:
    several = facts(X, RELU, call("s", "sigmoid.default", Ref("x")))
    for found in of_kind(Convertible, yielded("QC004", several)):
        assert {(U8, U16), (U8, FLOAT)} <= found.pairs
        assert all(source != FLOAT for source, _ in found.pairs)
    (alone,) = of_kind(Convertible, yielded("QC004", facts(X, RELU)))
    assert (FLOAT, U8) in alone.pairs


def test_an_input_has_one_encoding_whatever_its_readers_share() -> None:
    given = facts(X, call("a", "view.default", Ref("x")), call("b", "view.default", Ref("x")))
    outcome = solve(problem_of(given))
    assert isinstance(outcome, Solution)
    (group,) = (group for group in outcome.groups if Site("x") in group)
    assert {Site("x", "a"), Site("a"), Site("x", "b"), Site("b")} <= set(group)


def test_nothing_converts_behind_a_sigmoid() -> None:
    given = facts(X, call("s", "sigmoid.default", Ref("x")), call("relu", "relu.default", Ref("s")))
    _, found = of_kind(Convertible, yielded("QC004", given))
    assert found.target == Site("s", "relu")
    assert all(FLOAT in pair for pair in found.pairs)


def test_nothing_converts_before_a_node_that_lowering_removes() -> None:
    same = call("same", "expand.default", Ref("relu"), (1, 4))
    given = facts(X, RELU, same, call("last", "relu.default", Ref("same")))
    _, before, behind = of_kind(Convertible, yielded("QC004", given))
    assert (before.target, behind.target) == (Site("relu", "same"), Site("same", "last"))
    assert all(source == FLOAT for source, _ in before.pairs), "a way over float would be a convert too"
    assert (U16, U8) in behind.pairs


def test_nothing_converts_before_a_reshape_but_behind_it() -> None:
    given = facts(X, RELU, call("v", "view.default", Ref("relu")), call("last", "relu.default", Ref("v")))
    _, before, behind = of_kind(Convertible, yielded("QC004", given))
    assert (before.target, behind.target) == (Site("relu", "v"), Site("v", "last"))
    assert (U16, U8) not in before.pairs and (U8, FLOAT) in before.pairs
    assert (U16, U8) in behind.pairs


def test_a_fixed_scale_reaches_through_sharing_ops() -> None:
    given = facts(X, call("s", "sigmoid.default", Ref("x")), call("v", "view.default", Ref("s")))
    fixed = [e for e in given.domains[Site("v")] if e.scale is not None]
    assert {(e.bits, e.zero_point) for e in fixed} == {(8, 0), (16, 0)}
    assert U8 not in given.domains[Site("s")]


def test_parts_of_a_concatenation_have_one_dtype() -> None:
    y = placeholder("y", 1, 4)
    cat = call("cat", "cat.default", (Ref("x"), Ref("y")), 0)
    found = of_kind(Table, yielded("QC005", facts(X, y, cat)))
    assert [c.sites for c in found] == [(Site("x", "cat"), Site("cat")), (Site("y", "cat"), Site("cat"))]
    assert (U8, U16) not in rows(found[0])
    assert yielded("QC005", facts(X, RELU)) == []


def test_the_request_costs_nothing_and_narrowing_more_than_widening() -> None:
    at16 = {c.site: dict(c.costs) for c in of_kind(Prefer, yielded("QC006", facts(X, RELU, ask="16a8w")))}
    at8 = {c.site: dict(c.costs) for c in of_kind(Prefer, yielded("QC006", facts(X, RELU)))}
    assert U16 not in at16[Site("relu")]
    assert at16[Site("relu")][U8] == costs.NARROW_ACT > at8[Site("relu")][U16] == costs.WIDEN_ACT


def test_a_scale_per_channel_is_nearer_to_blocks_than_one_per_tensor() -> None:
    block, channel, tensor = (
        Encoding.symmetric(DType.INT8, 4, axis, size) for axis, size in ((0, (1, 32)), (0, None), (None, None))
    )
    prices = [costs.deviation(block, e, costs.NARROW_PAR, costs.WIDEN_PAR) for e in (block, channel, tensor)]
    assert prices == [0, costs.GRANULARITY, 2 * costs.GRANULARITY]


def test_lpbq_is_forbidden_on_v68_only() -> None:
    wide = param("w", 4, 64, 1, 1)
    given = facts(placeholder("x", 1, 64), wide, B, CONV, ask="16a4w_block", arch="V68")
    (found,) = yielded("QH001", given)
    assert isinstance(found, Forbid)
    assert found.site == Site("w", "conv")
    assert yielded("QH001", facts(placeholder("x", 1, 64), wide, B, CONV, ask="16a4w_block", arch="V73")) == []


def test_a_folded_constant_prefers_the_accelerator() -> None:
    full = call("full", "full.default", (1, 4), 1.0)
    assert yielded("QC007", facts(full, call("relu", "relu.default", Ref("full"))))
    assert yielded("QC007", facts(X, RELU)) == []


def test_an_activation_shares_with_the_only_producer_it_reads() -> None:
    relu = call("relu", "relu.default", Ref("conv"))
    (found,) = of_kind(Same, yielded("QH002", facts(X, W, B, CONV, relu)))
    assert found.sites == (Site("conv"), Site("conv", "relu"), Site("relu"))
    other = call("view", "view.default", Ref("conv"))
    assert yielded("QH002", facts(X, W, B, CONV, relu, other)) == []
    assert yielded("QH002", facts(X, RELU)) == []


def test_every_rule_says_why_and_what_instead() -> None:
    rules = backend_rules("htp")
    assert len({rule.code for rule in rules}) == len(rules)
    for rule in rules:
        assert "Why:" in rule.doc and "Instead:" in rule.doc, rule.code


def test_unknown_backend_names_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match="htp"):
        backend_rules("http")


def test_an_op_without_a_table_is_unverified_and_float() -> None:
    given = facts(X, call("t", "tan.default", Ref("x")), call("g", "gelu.default", Ref("t")))
    assert [node.name for node in given.unverified()] == ["t", "g"]
    assert given.domains[Site("t")] == (FLOAT,)
    found = [c for c in problem_of(given).constraints if isinstance(c, Table)]
    assert [list(rows(c)) for c in found] == [[(FLOAT, FLOAT)]]


def test_index_with_two_tensors_has_no_builder() -> None:
    i, j = placeholder("i", 4, dtype="int64"), placeholder("j", 4, dtype="int64")
    node = call("index", "index.Tensor", Ref("x"), (Ref("i"), Ref("j")))
    built = build(node, Graph.of((X, i, j, node)))
    assert built.fate is Fate.CPU
    assert "2 index tensors" in built.why


def test_expand_to_the_same_shape_is_nothing() -> None:
    same = call("e", "expand.default", Ref("x"), (1, 4))
    wider = call("e", "expand.default", Ref("x"), (3, 4), shape=(3, 4))
    assert build(same, Graph.of((X, same))).fate is Fate.IDENTITY
    assert build(wider, Graph.of((X, wider))).op == "Tile"


def test_depthwise_convolutions_are_their_own_op() -> None:
    weight = param("w", 8, 1, 3, 3)
    node = call("conv", "conv2d.default", Ref("x"), Ref("w"), None, 1, 0, 1, 8)
    assert build(node, Graph.of((X, weight, node))).op == "DepthWiseConv2d"
    assert build(CONV, Graph.of((X, W, B, CONV))).op == "Conv2d"


@pytest.mark.parametrize("name", sorted(PRECISIONS))
def test_what_is_asked_is_in_reach(name: str) -> None:
    given = facts(placeholder("x", 1, 64), param("w", 4, 64, 1, 1), B, CONV, ask=name)
    for site, domain in given.domains.items():
        assert given.asked(site) in domain
        assert FLOAT in domain
    assert BUILDERS["aten.conv2d.default"](CONV, given.graph).op == "Conv2d"


def test_prices_keep_their_order() -> None:
    order = [
        costs.convert(None), costs.SCHEME, costs.GRANULARITY, costs.WIDEN_PAR, costs.WIDEN_ACT, costs.NARROW_PAR,
        costs.NARROW_RHS, costs.NARROW_ACT, costs.CPU,
    ]  # fmt: skip
    assert order == sorted(set(order))
    assert costs.CPU > 50_000 * 4 * costs.NARROW_ACT
