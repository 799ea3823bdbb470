"""What HTP computes depends on kernels too: the tables say which, and the rules find the case that measures a node."""

from __future__ import annotations

import attrs
import pytest

from qnnsolve.facts.graph import Graph, Ref
from qnnsolve.facts.tables import ProbeVerdict, shipped_tables
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules.builders import Built, build
from tests.rules.graphs import call, facts, param, placeholder

WRONG, RIGHT, REFUSED, LATE = (
    ProbeVerdict.WRONG,
    ProbeVerdict.ACCEPTED,
    ProbeVerdict.REJECTED,
    ProbeVerdict.VALIDATOR_ONLY,
)
FULL, HALF, NARROW = "u16 s16c s32c > u16", "f16 f16 f16 > f16", "f16 s8c f16 > f16"


@pytest.mark.parametrize(
    ("op", "case", "codes", "verdict"),
    [
        ("Conv2d", "5x5", FULL, RIGHT),
        ("Conv2d", "8x8_whole", FULL, RIGHT),
        ("Conv2d", "long", FULL, WRONG),
        ("Conv2d", "dilated_even", FULL, WRONG),
        ("Conv2d", "long", "u16 s8c s32c > u16", RIGHT),
        ("Conv2d", "long", HALF, RIGHT),
        ("Conv2d", "row", HALF, WRONG),
        ("Conv2d", "row", FULL, RIGHT),
        ("Conv2d", "long_row", HALF, WRONG),
        ("Conv2d", "dilated_row", HALF, WRONG),
        ("Conv2d", "1x1_strided", NARROW, RIGHT),
        ("Conv2d", "1x1_grouped", NARROW, REFUSED),
        ("Conv2d", "1x1_narrow", NARROW, REFUSED),
        ("DepthWiseConv2d", "long", "u16 s16c s32c > u16", WRONG),
        ("DepthWiseConv2d", "long", "u16 s8c s32c > u16", RIGHT),
        ("DepthWiseConv2d", "dilated", "s8 s8c s32c > s8", RIGHT),
        ("DepthWiseConv2d", "dilated_even", "u16 s16c s32c > u16", WRONG),
        ("DepthWiseConv2d", "dilated_strided", HALF, REFUSED),
        ("DepthWiseConv2d", "dilated_strided", "u8 s8c s32c > u8", RIGHT),
        ("DepthWiseConv2d", "1x1", "u16 s8 - > u16", WRONG),
        ("DepthWiseConv2d", "1x1", "u16 s8c - > u16", RIGHT),
        ("DepthWiseConv2d", "1x1", "u16 s4c - > u16", ProbeVerdict.UNKNOWN),
        ("TransposeConv2d", "long", "u16 s16c s32c > u16", WRONG),
        ("TransposeConv2d", "long_strided", "u16 s8c s32c > u16", RIGHT),
        ("TransposeConv2d", "grouped_wider", "u8 s8c s32c > u8", REFUSED),
        ("LayerNorm", "rank5", "u8 u8 s32 > u8", REFUSED),
        ("LayerNorm", "rank1", "u8 u8 s32 > u8", RIGHT),
        ("MatMul", "constant_rank5", "u16 s8c > u16", LATE),
        ("MatMul", "constant_rank4x2", "u16 s8c > u16", RIGHT),
        ("MatMul", "constant_first", "u8 u8 > u8", RIGHT),
        ("Batchnorm", "rank5", "u8 u8 s32 > u8", REFUSED),
        ("InstanceNorm", "rank3_batch", "u8 u8 s32 > u8", REFUSED),
        ("GroupNorm", "rank3_batch", "u8 u8 s32 > u8", WRONG),
        ("GroupNorm", "rank3", "u8 u8 s32 > u8", RIGHT),
        ("FullyConnected", "narrow", "u16 s8c s32c > u16", RIGHT),
        ("PoolAvg2d", "5x5_beside", "u8 > u8", RIGHT),
        ("PoolAvg2d", "3x3_padded", "u8 > u8", RIGHT),
        ("PoolAvg2d", "counted_beside", "u8 > u8", WRONG),
        ("PoolAvg2d", "uncounted_beside", "u16 > u16", RIGHT),
        ("PoolAvg2d", "uncounted_beside", "f16 > f16", WRONG),
        ("PoolAvg2d", "3x3_padded_beside", "u8 > u8", WRONG),
        ("PoolAvg2d", "over_2x2", "u8 > u8", WRONG),
        ("PoolAvg2d", "over_3x3", "u8 > u8", WRONG),
        ("PoolAvg3d", "3x3x3_counted", "u8 > u8", WRONG),
        ("PoolAvg3d", "3x3x3_uncounted", "u8 > u8", RIGHT),
        ("PoolMax2d", "over_3x3", "u8 > u8", RIGHT),
        ("ResizeBilinear", "fraction_corners", "u8 > u8", RIGHT),
        ("ResizeBilinear", "shrunk", "u8 > u8", RIGHT),
        ("ResizeNearestNeighbor", "threefold", "u8 > u8", RIGHT),
        ("ResizeNearestNeighbor", "fraction", "u8 > u8", WRONG),
        ("ResizeNearestNeighbor", "halved", "u8 > u8", WRONG),
        ("Resize", "fraction", "u8 > u8", RIGHT),
        ("Resize", "corners", "u8 > u8", WRONG),
    ],
)
def test_what_was_measured_of_kernels(op: str, case: str, codes: str, verdict: ProbeVerdict) -> None:
    asked = tuple(codes.replace(">", "").split())
    table = shipped_tables()[op]
    assert table.verdict(case, asked, "V79") is verdict
    if "u16 s16" not in codes:  # before V73 there is none of these
        assert table.verdict(case, asked, "V68") is verdict


def test_averages_of_even_regions_side_by_side_ask_for_one_encoding() -> None:
    for op, case in (("PoolAvg2d", "4x4_beside"), ("PoolAvg2d", "4x6_beside"), ("PoolAvg3d", "1x4x4_beside")):
        rows = shipped_tables()[op].case(case).rows
        assert {row.key: row.same for row in rows}["u8 > u8"] == {"in[0]", "out[0]"}


def convolved(before: tuple[int, ...], weight: tuple[int, ...], *args: object, target: str = "") -> Built:
    x, w = placeholder("x", *before), param("w", *weight)
    name = target or f"conv{len(weight) - 2}d.default"
    node = call("c", name, Ref("x"), Ref("w"), None, *args)
    return build(node, Graph.of((x, w, node)))


def upsampled(weight: tuple[int, ...], *args: object) -> Built:
    node = call("c", "conv_transpose2d.input", Ref("x"), Ref("w"), None, *args)
    return build(node, Graph.of((placeholder("x", 1, 8, 16, 16), param("w", *weight), node)))


@pytest.mark.parametrize(
    ("built", "case"),
    [
        (convolved((1, 8, 9, 9), (8, 8, 3, 3)), None),
        (convolved((1, 8, 16, 16), (8, 8, 8, 8)), None),
        (convolved((1, 8, 16, 16), (8, 8, 9, 9)), "long"),
        (convolved((1, 8, 16, 16), (8, 8, 1, 9)), "long"),
        (convolved((1, 8, 16, 16), (8, 8, 9, 9), 2), None),
        (convolved((1, 8, 16, 16), (8, 8, 3, 3), 1, 2, 2), "dilated"),
        (convolved((1, 8, 16, 16), (8, 8, 1, 1), 1, 0, 2), None),
        (convolved((1, 8, 16, 16), (8, 4, 1, 1), 1, 0, 1, 2), "1x1_narrow"),
        (convolved((1, 3, 16, 16), (8, 3, 1, 1)), "1x1_narrow"),
        (convolved((1, 8, 16), (8, 8, 7), 1, 3), "row"),
        (convolved((1, 8, 16), (8, 8, 7), 1, "same", target="conv1d.padding"), "row"),
        (convolved((1, 8, 1, 16), (8, 8, 1, 7), 1, (0, 3)), "row"),
        (convolved((1, 8, 16), (8, 8, 5), 1, 2), None),
        (convolved((1, 8, 17), (8, 8, 7), 1, 3), None),
        (convolved((1, 8, 16), (8, 8, 7), 2, 3), None),
        (convolved((1, 8, 2, 16), (8, 8, 1, 7), 1, (0, 3)), None),
        (convolved((1, 8, 32), (8, 8, 9), 1, 4), "long"),
        (convolved((1, 8, 32), (8, 8, 11), 1, 5), "long_row"),
        (convolved((1, 8, 16), (8, 8, 3), 1, 4, 4), "dilated_row"),
        (convolved((1, 8, 64), (8, 8, 3), 1, 4, 4), "dilated"),
    ],
)
def test_a_convolution_finds_its_case(built: Built, case: str | None) -> None:
    assert (built.op, built.case) == ("Conv2d", case)


@pytest.mark.parametrize(
    ("built", "op", "case"),
    [
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 1, 1, 1, 8), "DepthWiseConv2d", None),
        (convolved((1, 8, 16, 16), (8, 1, 1, 1), 1, 0, 1, 8), "DepthWiseConv2d", None),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 1, 2, 2, 8), "DepthWiseConv2d", "dilated"),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 1, 3, 3, 8), "DepthWiseConv2d", "dilated_even"),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 2, 2, 2, 8), "DepthWiseConv2d", "dilated_strided"),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), (2, 1), 2, 2, 8), "DepthWiseConv2d", "dilated_strided_uneven"),
        (convolved((1, 8, 16, 16), (8, 1, 2, 3), 2, 0, 2, 8), "DepthWiseConv2d", "dilated_strided_uneven"),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 1, 4, 4, 8), "DepthWiseConv2d", "long"),
        (convolved((1, 8, 16, 16), (8, 1, 3, 3), 2, 1, 1, 8), "DepthWiseConv2d", None),
        (convolved((1, 8, 64), (8, 1, 3), 1, 2, 2, 8), "DepthWiseConv2d", "dilated_row"),
        (convolved((1, 8, 64), (8, 1, 31), 1, 15, 1, 8), "DepthWiseConv2d", "long"),
        (convolved((1, 8, 64), (8, 1, 3), 2, 1, 1, 8), "DepthWiseConv2d", "row_strided"),
        (upsampled((8, 4, 3, 3)), "TransposeConv2d", None),
        (upsampled((8, 4, 9, 9)), "TransposeConv2d", "long"),
        (upsampled((8, 4, 9, 9), 2), "TransposeConv2d", None),
        (upsampled((8, 4, 3, 3), 1, 0, 0, 2), "TransposeConv2d", "grouped"),
        (upsampled((8, 4, 9, 9), 1, 0, 0, 2), "TransposeConv2d", "grouped_long"),
        (convolved((1, 8, 4, 4, 4), (8, 8, 3, 3, 3), 1, 1), "Conv3d", None),
        (convolved((1, 8, 4, 4, 4), (8, 8, 3, 3, 3), 1, 2, (1, 2, 2)), "Conv3d", "dilated"),
        (convolved((1, 8, 4, 4, 4), (8, 4, 3, 3, 3), 1, 1, 1, 2), "Conv3d", "grouped"),
        (convolved((1, 8, 4, 4, 4), (8, 4, 3, 3, 3), 1, 2, (1, 2, 2), 2), "Conv3d", "dilated_grouped"),
    ],
)
def test_the_other_convolutions_find_theirs(built: Built, op: str, case: str | None) -> None:
    assert (built.op, built.case) == (op, case)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "counts", "case"),
    [
        ((2, 2), (2, 2), (1, 1), True, "counted_beside"),
        ((2, 2), (2, 2), (1, 1), False, "uncounted_beside"),
        ((3, 3), (2, 2), (1, 1), True, None),
        ((2, 2), (2, 2), (0, 0), True, None),
    ],
)
def test_an_average_finds_its_case(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], counts: bool, case: str | None
) -> None:
    node = call("n", "avg_pool2d.default", Ref("x"), kernel, stride, padding, False, counts, shape=(1, 4, 5, 5))
    built = build(node, Graph.of((placeholder("x", 1, 4, 8, 8), node)))
    assert (built.op, built.case) == ("PoolAvg2d", case)


@pytest.mark.parametrize(("size", "legal"), [(7, True), (9, False)])
def test_16_by_16_bits_are_legal_over_8_positions_only(size: int, legal: bool) -> None:
    conv = call("c", "conv2d.default", Ref("x"), Ref("w"), None, 1, size // 2, shape=(1, 8, 16, 16))
    given = facts(placeholder("x", 1, 8, 16, 16), param("w", 8, 8, size, size), conv)
    accepted = operator_facts("htp", "V79").accepted("Conv2d", given.form(conv, given.built["c"]))
    assert accepted is not None
    assert accepted.admits(("u16", "s16c", "-", "u16")) is legal
    assert accepted.admits(("u16", "s8c", "-", "u16"))


@pytest.mark.parametrize(("dilation", "known"), [(1, True), (2, False)])
def test_a_form_that_nobody_measured_is_unverified(dilation: int, known: bool) -> None:
    conv = call("n", "conv3d.default", Ref("x"), Ref("w"), None, 1, 1, dilation, 2, shape=(1, 8, 4, 4, 4))
    given = facts(placeholder("x", 1, 8, 4, 4, 4), param("w", 8, 4, 3, 3, 3), conv)
    given = attrs.evolve(given, operators=operator_facts("htp", "V79"))
    assert [node.name for node in given.unverified()] == ([] if known else ["n"])
    missing = given.unknown_op(conv, given.built["n"])
    told = None if missing is None else f"{missing[0]} {missing[1]}"
    assert told == (None if known else "Conv3d dilated_grouped")


@pytest.mark.parametrize(("dilation", "outputs", "legal"), [(2, 16, False), (1, 16, True), (2, 8, True)])
def test_no_dilated_depthwise_convolution_makes_several_channels_of_one(
    dilation: int, outputs: int, legal: bool
) -> None:
    built = convolved((1, 8, 16, 16), (outputs, 1, 3, 3), 1, dilation, dilation, 8)
    assert (built.op == "DepthWiseConv2d") is legal
    assert legal or "several channels of one" in built.why


@pytest.mark.parametrize(("size", "legal"), [(1, False), (3, True)])
def test_a_depthwise_point_convolution_has_no_weights_of_4_bits(size: int, legal: bool) -> None:
    conv = call("c", "conv2d.default", Ref("x"), Ref("w"), None, 1, size // 2, 1, 8, shape=(1, 8, 16, 16))
    given = facts(placeholder("x", 1, 8, 16, 16), param("w", 8, 1, size, size), conv)
    accepted = operator_facts("htp", "V79").accepted("DepthWiseConv2d", given.form(conv, given.built["c"]))
    assert accepted is not None and accepted.admits(("u16", "s4c", "-", "u16")) is legal
    assert accepted.admits(("u16", "s8c", "-", "u16")) and accepted.admits(("s8", "s8c", "s32c", "s8"))


@pytest.mark.parametrize("target", ["group_norm.default", "instance_norm.default"])
@pytest.mark.parametrize(("shape", "case"), [((1, 8, 4), None), ((2, 8, 4), "rank3_batch"), ((2, 8, 4, 4), None)])
def test_norms_of_several_sequences_find_their_case(target: str, shape: tuple[int, ...], case: str | None) -> None:
    args = (Ref("x"), 4, Ref("w"), Ref("b")) if target.startswith("group") else (Ref("x"), Ref("w"), Ref("b"))
    norm = call("n", target, *args, shape=shape)
    assert build(norm, Graph.of((placeholder("x", *shape), param("w", 8), param("b", 8), norm))).case == case


@pytest.mark.parametrize(("shape", "known"), [((1, 8, 4), True), ((4, 8), False)])
def test_a_rank_that_nobody_measured_is_unverified(shape: tuple[int, ...], known: bool) -> None:
    norm = call("n", "instance_norm.default", Ref("x"), Ref("w"), Ref("b"), shape=shape)
    given = facts(placeholder("x", *shape), param("w", 8), param("b", 8), norm)
    given = attrs.evolve(given, operators=operator_facts("htp", "V79"))
    assert [node.name for node in given.unverified()] == ([] if known else ["n"])
    missing = given.unknown_op(norm, given.built["n"])
    assert missing is None if known else missing is not None and f"{missing[0]} {missing[1]}" == "InstanceNorm rank 2"
