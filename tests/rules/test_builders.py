"""What becomes of the ops that move, index, pool, convolve and normalize: the op that exists after lowering."""

from __future__ import annotations

import pytest

from qnnsolve.constraints import Same, Site
from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.rules.builders import OUTPUT, Built, Fate, Input, build
from qnnsolve.rules.request import Role
from tests.rules.graphs import call, facts, of_kind, param, placeholder, yielded

X = Ref("x")
PAIR = (2, 2)


def built(node: Node, *others: Node) -> Built:
    return build(node, Graph.of((*others, node)))


def on(
    shape: tuple[int, ...], target: str, *args: object, out: tuple[int, ...] = (1, 4), dtype: str = "float32"
) -> Built:
    """What a call becomes whose first argument is a float tensor of that shape."""
    return built(call("n", target, X, *args, shape=out, dtype=dtype), placeholder("x", *shape))


IMAGE, SEQUENCE, VOLUME = (1, 4, 8, 8), (1, 4, 8), (1, 4, 8, 8, 8)


@pytest.mark.parametrize(
    ("found", "ops"),
    [
        (on(SEQUENCE, "avg_pool1d.default", (2,)), "PoolAvg2d Reshape Reshape"),
        (on(SEQUENCE, "adaptive_avg_pool1d.default", (2,), out=(1, 4, 2)), "PoolAvg2d Reshape Reshape"),
        (on(IMAGE, "avg_pool2d.default", PAIR), "PoolAvg2d"),
        (on(IMAGE, "avg_pool2d.default", PAIR, PAIR, (0, 0), False, True, 4), "PoolAvg2d"),
        (on(IMAGE, "avg_pool2d.default", (4, 4), (2, 2), out=(1, 4, 3, 3)), "PoolAvg2d"),
        (on(IMAGE, "avg_pool2d.default", (4, 8), out=(1, 4, 2, 1)), "PoolAvg2d"),
        (on(IMAGE, "avg_pool2d.default", (4, 1), out=(1, 4, 2, 8)), "PoolAvg2d"),
        (on(IMAGE, "adaptive_avg_pool2d.default", (4, 4), out=(1, 4, 4, 4)), "PoolAvg2d"),
        (on(IMAGE, "adaptive_avg_pool2d.default", (1, 1), out=(1, 4, 1, 1)), "PoolAvg2d"),
        (on(VOLUME, "avg_pool3d.default", (4, 4, 4), out=(1, 4, 2, 2, 2)), "PoolAvg3d"),
        (on(VOLUME, "adaptive_avg_pool3d.default", (2, 2, 2)), "PoolAvg3d"),
        (on(VOLUME, "adaptive_avg_pool3d.default", (1, 1, 1)), "ReduceMean"),
        (on(IMAGE, "max_pool2d.default", PAIR), "PoolMax2d"),
        (on(IMAGE, "max_pool2d.default", (3, 3), PAIR, (1, 1)), "PoolMax2d Pad"),
        (on(IMAGE, "upsample_nearest2d.vec", None, (2.0, 2.0), out=(1, 4, 16, 16)), "ResizeNearestNeighbor"),
        (on(IMAGE, "pixel_shuffle.default", 2), "DepthToSpace"),
        (on(IMAGE, "im2col.default", PAIR, (1, 1), (0, 0), PAIR), "SpaceToDepth Reshape"),
        (on((1, 16, 16), "col2im.default", (8, 8), PAIR, (1, 1), (0, 0), PAIR), "DepthToSpace Reshape"),
        (on((1, 4), "expand.default", (3, 4), out=(3, 4)), "Tile"),
        (on((1, 4), "expand.default", (2, 3, 4), out=(2, 3, 4)), "Tile Reshape"),
        (on((1, 4), "repeat.default", (1, 2), out=(1, 8)), "Tile"),
        (on(SEQUENCE, "pad.default", (1, 1)), "Pad"),
        (on(SEQUENCE, "flip.default", (1,)), "StridedSlice"),
        (on(SEQUENCE, "movedim.int", 1, 2), "Transpose"),
        (on(SEQUENCE, "view_as.default", X), "Reshape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_built(found: Built, ops: str) -> None:
    assert found.fate is Fate.OP
    assert " ".join(found.ops) == ops


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (on((4, 8, 8), "avg_pool2d.default", PAIR), "the batch included"),
        (on(IMAGE, "avg_pool2d.default", PAIR, PAIR, (0, 0), False, True, 3), "whole pooling region"),
        (on(IMAGE, "avg_pool2d.default", (4, 4), out=(1, 4, 2, 2)), "this size wrong"),
        (on(IMAGE, "adaptive_avg_pool2d.default", (2, 2), out=(1, 4, 2, 2)), "this size wrong"),
        (on(VOLUME, "avg_pool3d.default", (1, 4, 4), out=(1, 4, 8, 2, 2)), "this size wrong"),
        (on(IMAGE, "max_pool2d.default", PAIR, PAIR, (0, 0), PAIR), "dilation"),
        (on(IMAGE, "im2col.default", (3, 3), (1, 1), (1, 1), (1, 1)), "side by side"),
        (on(SEQUENCE, "pad.default", (1, 1), "replicate"), "replicate"),
        (on(SEQUENCE, "pad.default", (-1, -1)), "negative"),
        (on(SEQUENCE, "upsample_nearest1d.vec", None, (2.0,)), "no builder"),
        (on(IMAGE, "upsample_nearest2d.vec", (12, 12), out=(1, 4, 12, 12)), "no whole number"),
        (on(IMAGE, "adaptive_avg_pool2d.default", (3, 3), out=(1, 4, 3, 3)), "one size"),
        (on(IMAGE, "avg_pool2d.default", (3, 3), PAIR, (0, 0), True), "hangs over"),
        (on(SEQUENCE, "avg_pool1d.default", (3,), (2,), (0,), True), "hangs over"),
        (on(IMAGE, "upsample_bicubic2d.vec", None, True, (2.0, 2.0), out=(1, 4, 16, 16)), "aligned corners"),
        (on(IMAGE, "adaptive_max_pool2d.default", (3, 4), out=(1, 4, 3, 4)), "one size"),
        (on(SEQUENCE, "repeat.default", (2, 1, 1, 1), out=(2, 1, 4, 8)), "new dimensions"),
        (on(SEQUENCE, "view.default", (1, 2, 2, 2, 2, 2), out=(1, 2, 2, 2, 2, 2)), "5 dimensions"),
        (on(SEQUENCE, "layer_norm.default", (4, 8)), "last dimension"),
        (on(IMAGE, "batch_norm.default", None, None, None, None, True, 0.1, 1e-5, False), "training mode"),
        (on(SEQUENCE, "index.Tensor", (X, None)), "along the last"),
        (on(SEQUENCE, "index_put.default", (X, None, X), X), "side by side"),
        (on(SEQUENCE, "sort.stable"), "among equals"),
        (on(SEQUENCE, "scatter_reduce.two", 1, X, X, "mean"), "mean"),
        (on(SEQUENCE, "scatter_reduce.two", 1, X, X, "sum", False), "sum"),
        (on((8,), "matmul.default", X), "matrices"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_builder_in_this_form_stays_on_the_cpu(found: Built, why: str) -> None:
    assert found.fate is Fate.CPU
    assert why in found.why


@pytest.mark.parametrize(
    ("dtype", "fate"), [("int64", Fate.CPU), ("uint8", Fate.CPU), ("bool", Fate.OP), ("float32", Fate.OP)]
)
def test_what_is_rounded_for_a_cast_to_integers_is_rounded_in_float(dtype: str, fate: Fate) -> None:
    x, rounded = placeholder("x", 4), call("r", "round.default", X)
    cast = call("c", "to.dtype", Ref("r"), dtype, dtype=dtype)
    assert build(rounded, Graph.of((x, rounded, cast))).fate is fate
    other = call("o", "relu.default", Ref("r"))
    assert build(rounded, Graph.of((x, rounded, cast, other))).fate is Fate.OP


def test_tiling_to_the_same_shape_is_nothing() -> None:
    assert on((1, 4), "repeat.default", (1, 1)).fate is Fate.IDENTITY


def test_integers_are_joined_where_they_cannot_be_packed() -> None:
    i = placeholder("i", 4, dtype="int64")
    assert built(call("n", "stack.default", (Ref("i"), Ref("i")), dtype="int64"), i).ops == ("Concat", "Reshape")
    assert built(call("n", "stack.default", (X, X)), placeholder("x", 4)).ops == ("Pack",)


@pytest.mark.parametrize(
    ("target", "weight", "groups", "op", "ch_axis"),
    [
        ("conv1d.default", (4, 4, 3), 1, "Conv2d Reshape Reshape", 0),
        ("conv1d.default", (4, 1, 3), 4, "DepthWiseConv2d Reshape Reshape", 0),
        ("conv2d.default", (4, 1, 3, 3), 2, "Conv2d", 0),
        ("conv3d.default", (4, 4, 3, 3, 3), 1, "Conv3d", 0),
        ("conv2d.padding", (4, 4, 3, 3), 1, "Conv2d", 0),
        ("conv_transpose1d.default", (4, 4, 3), 1, "TransposeConv2d Reshape Reshape", 1),
        ("conv_transpose2d.input", (4, 2, 3, 3), 2, "TransposeConv2d", 1),
        ("conv_transpose3d.input", (4, 4, 3, 3, 3), 1, "TransposeConv3d", 1),
    ],
)
def test_convolutions_by_rank_groups_and_direction(
    target: str, weight: tuple[int, ...], groups: int, op: str, ch_axis: int
) -> None:
    x, w = placeholder("x", 1, 4, *weight[2:]), param("w", *weight)
    padding = "same" if target.endswith("padding") else 0
    between = (1, padding, 0, groups, 1) if "transpose" in target else (1, padding, 1, groups)
    found = built(call("n", target, X, Ref("w"), None, *between), x, w)
    assert " ".join(found.ops) == op
    assert found.inputs[1] == Input(Ref("w"), Role.WEIGHT, ch_axis)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (call("n", "conv2d.default", X, Ref("y"), None), "constant weights"),
        (call("n", "conv2d.default", X, Ref("w"), Ref("y")), "constant weights"),
        (call("n", "conv2d.default", Ref("c"), Ref("w"), None), "batches"),
        (call("n", "conv2d.padding", X, Ref("even"), None, 1, "same"), "even kernel"),
        (call("n", "conv3d.default", Ref("v"), Ref("deep"), None, 1, 0, 1, 4), "depthwise"),
        (call("n", "linear.default", X, Ref("y"), None), "constant weights"),
    ],
    ids=["weight", "bias", "no batch", "even", "volume", "linear"],
)
def test_products_that_executorch_cannot_build(node: Node, why: str) -> None:
    others = (
        placeholder("x", *IMAGE), placeholder("y", 4, 4, 3, 3), placeholder("c", 4, 8, 8), placeholder("v", *VOLUME),
        param("w", 4, 4, 3, 3), param("even", 4, 4, 2, 2), param("deep", 4, 1, 3, 3, 3),
    )  # fmt: skip
    found = built(node, *others)
    assert found.fate is Fate.CPU
    assert why in found.why


def test_a_linear_is_reshaped_around_where_it_has_more_than_rows() -> None:
    w = param("w", 4, 8)
    assert built(call("n", "linear.default", X, Ref("w")), placeholder("x", 1, 4, 8), w).ops[1:] == ("Reshape",) * 2
    assert built(call("n", "linear.default", X, Ref("w")), placeholder("x", 4, 8), w).ops[1:] == ()


def test_what_lowering_makes_up_is_like_another_port() -> None:
    x = placeholder("x", *SEQUENCE)
    norm = built(call("n", "layer_norm.default", X, (8,)), x)
    assert (norm.inputs[1].ref, norm.inputs[1].like) == (None, OUTPUT)
    rms = built(call("n", "rms_norm.default", X, (8,), Ref("w")), x, param("w", 8))
    assert (rms.inputs[1].ref, rms.inputs[2].like) == ("w", OUTPUT)
    filled = built(call("n", "scatter.value", X, 1, X, 1.0), x)
    assert filled.inputs[2].like == 0


def test_a_buffer_that_is_written_to_has_no_edge() -> None:
    i, v = placeholder("i", 2, dtype="int64"), placeholder("v", 2, 8)
    kept = built(call("n", "index_put_.default", Ref("cache"), (Ref("i"),), Ref("v")), i, v, param("cache", 4, 8))
    assert (kept.inputs[0].ref, kept.inputs[0].like, kept.inputs[2].ref) == (None, OUTPUT, "v")
    given = built(call("n", "index_put.default", Ref("x"), (Ref("i"),), Ref("v")), i, v, placeholder("x", 4, 8))
    assert given.inputs[0].ref == "x"


CACHE, AT, NEW = param("cache", 4, 8), placeholder("i", 2, dtype="int64"), placeholder("v", 2, 8)
PUT = call("put", "index_put_.default", Ref("cache"), (Ref("i"),), Ref("v"), shape=(4, 8))
AGAIN = call("again", "index_copy_.default", Ref("cache"), 0, Ref("i"), Ref("v"), shape=(4, 8))


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (call("read", "relu.default", Ref("cache"), shape=(4, 8)), "other ops use this one too"),
        (call("add", "add_.Tensor", Ref("cache"), 1.0, shape=(4, 8)), "other ops use this one too"),
        (AGAIN, ""),
    ],
)
def test_a_buffer_with_other_users_stays_on_the_cpu(other: Node, why: str) -> None:
    put = build(PUT, Graph.of((CACHE, AT, NEW, PUT, other)))
    assert why in put.why
    assert put.fate is (Fate.CPU if why else Fate.OP)


def test_a_buffer_is_written_whole_by_the_runtime_and_in_place_by_the_cpu() -> None:
    whole, part = placeholder("x", 4, 8), placeholder("x", 1, 8)
    copied = call("n", "copy_.default", Ref("cache"), X, shape=(4, 8))
    assert built(copied, CACHE, whole) == Built(Fate.IDENTITY, None, (Input(X),))
    assert built(copied, CACHE, part).fate is Fate.CPU
    added = built(call("n", "add_.Tensor", Ref("cache"), X, shape=(4, 8)), CACHE, whole)
    assert "in place" in added.why
    assert built(call("n", "add_.Tensor", X, X, shape=(4, 8)), whole).fate is Fate.OP
    assert "in place" in built(call("n", "__iand__.Tensor", Ref("cache"), X, shape=(4, 8)), CACHE, whole).why
    assert built(call("n", "__and__.Tensor", Ref("cache"), X, shape=(4, 8)), CACHE, whole).fate is Fate.OP


def test_a_buffer_that_is_written_whole_has_an_encoding_of_its_own() -> None:
    part = call("part", "slice_scatter.default", Ref("cache"), Ref("v"), 0, 0, 2, shape=(4, 8))
    copied = call("copied", "copy_.default", Ref("cache"), Ref("part"), shape=(4, 8))
    assert build(part, Graph.of((CACHE, NEW, part, copied))).inputs[0] == Input(Ref("cache"))
    assert build(part, Graph.of((CACHE, NEW, part))).inputs[0] == Input(None, like=OUTPUT)


def test_all_writes_to_one_buffer_share() -> None:
    def shared(*writes: Node) -> list[tuple[Site, ...]]:
        return [same.sites for same in of_kind(Same, yielded("QH005", facts(CACHE, AT, NEW, *writes)))]

    assert shared(PUT, AGAIN) == [(Site("put"), Site("again"))]
    assert shared(PUT) == []
    elsewhere = call("again", "index_copy_.default", Ref("other"), 0, Ref("i"), Ref("v"), shape=(4, 8))
    assert shared(PUT, param("other", 4, 8), elsewhere) == []
