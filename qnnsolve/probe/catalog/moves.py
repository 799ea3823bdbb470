"""The probes of operators that move, pick and join values."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import Span, case, out, put, static, tied, when
from qnnsolve.probe.catalog.parts import DATA, INDEX, INTS, moved, u32
from qnnsolve.probe.questions import CaseSpec, Check, OpSpec

__all__ = ["MOVES"]

_MOVES = Check.MOVES
_EIGHT: Span = (0, 7)
"""Places along an axis of eight."""


def _joined(name: str, part: str, whole: str, axis: int) -> CaseSpec:
    return tied(case(name, put(part, DATA), put(part, DATA), out(whole, DATA), axis=u32(axis)), 0, 1)


def _parted(name: str, whole: str, part: str, axis: int, **params: tuple[str, tuple[int, ...]]) -> CaseSpec:
    return tied(case(name, put(whole, DATA), out(part, DATA), out(part, DATA), axis=u32(axis), **params), 1, 2)


_PADS_4 = u32(((0, 0), (1, 1), (1, 1), (0, 0)))
_PADS_3 = u32(((0, 0), (1, 1), (0, 0)))

_LAYOUT = (
    OpSpec(
        "Reshape",
        (
            moved("rank4to3", "1x8x8x32", "1x64x32"),
            moved("rank3to4", "1x64x32", "1x8x8x32"),
            moved("rank2to3", "8x32", "1x8x32"),
            moved("rank4to2", "1x8x8x32", "64x32"),
            moved("rank4to5", "1x8x8x32", "1x8x2x4x32"),
        ),
        ("aten.view_copy.default", "aten.squeeze_copy.dims", "aten.unsqueeze_copy.default"),
        check=_MOVES,
    ),
    OpSpec(
        "Transpose",
        (
            moved("rank3", "2x8x32", "2x32x8", perm=u32((0, 2, 1))),
            moved("rank4", "1x8x2x32", "1x2x8x32", perm=u32((0, 2, 1, 3))),
            moved("rank4_last", "1x8x2x32", "1x32x8x2", perm=u32((0, 3, 1, 2))),
            moved("rank2", "8x32", "32x8", perm=u32((1, 0))),
            moved("rank5", "1x2x4x8x16", "1x4x2x8x16", perm=u32((0, 2, 1, 3, 4))),
            moved("rank6", "1x2x4x2x4x8", "1x2x2x4x4x8", perm=u32((0, 1, 3, 2, 4, 5))),
        ),
        ("aten.permute_copy.default",),
        check=_MOVES,
    ),
    OpSpec(
        "ExpandDims",
        (moved("rank2to3", "8x32", "1x8x32", axis=u32(0)), moved("rank3to4", "1x8x32", "1x1x8x32", axis=u32(1))),
        check=_MOVES,
    ),
    OpSpec(
        "Squeeze",
        (moved("rank3to2", "1x8x32", "8x32"), moved("rank4to3", "1x1x8x32", "1x8x32", axes=u32((1,)))),
        check=_MOVES,
    ),
    OpSpec(
        "Tile",
        (
            moved("rank3", "1x1x32", "1x8x32", multiples=u32((1, 8, 1))),
            moved("rank4", "1x1x8x32", "1x2x8x32", multiples=u32((1, 2, 1, 1))),
            moved("rank2", "1x32", "8x32", multiples=u32((8, 1))),
            moved("rank5", "1x1x2x8x32", "1x4x2x8x32", multiples=u32((1, 4, 1, 1, 1))),
        ),
        ("aten.expand_copy.default", "aten.repeat.default"),
        check=_MOVES,
    ),
    OpSpec(
        "StridedSlice",
        (
            moved("rank3", "1x8x32", "1x4x32", ranges=("i32", ((0, 1, 1), (0, 4, 1), (0, 32, 1)))),
            moved("rank4", "1x8x8x32", "1x8x4x32", ranges=("i32", ((0, 1, 1), (0, 8, 1), (0, 8, 2), (0, 32, 1)))),
            moved("rank2", "8x32", "8x16", ranges=("i32", ((0, 8, 1), (16, 32, 1)))),
            moved(
                "rank5",
                "1x2x4x8x32",
                "1x2x2x8x32",
                ranges=("i32", ((0, 1, 1), (0, 2, 1), (2, 4, 1), (0, 8, 1), (0, 32, 1))),
            ),
            moved("shrink", "1x8x32", "1x32", ranges=("i32", ((0, 1, 1), (0, 0, 1), (0, 32, 1))), shrink_axes=u32(2)),
        ),
        ("aten.slice_copy.Tensor", "aten.select_copy.int"),
        check=_MOVES,
    ),
    OpSpec(
        "Pad",
        (
            moved(
                "constant", "1x8x8x32", "1x10x10x32", scheme=u32(0), pad_constant_value=("f32", 0.0), pad_amount=_PADS_4
            ),
            moved("rank3", "1x8x32", "1x10x32", scheme=u32(0), pad_constant_value=("f32", 0.0), pad_amount=_PADS_3),
            when(moved("reflect", "1x8x8x32", "1x10x10x32", scheme=u32(2), pad_amount=_PADS_4), "by name"),
            when(moved("edge", "1x8x8x32", "1x10x10x32", scheme=u32(3), pad_amount=_PADS_4), "by name"),
        ),
        ("aten.constant_pad_nd.default", "aten.reflection_pad2d.default"),
        check=_MOVES,
    ),
)

_JOINS = (
    OpSpec(
        "Concat",
        (
            _joined("rank2", "8x32", "16x32", 0),
            _joined("rank3", "1x8x32", "1x16x32", 1),
            _joined("rank4", "1x8x8x32", "1x8x8x64", 3),
            _joined("rank5", "1x2x4x8x32", "1x4x4x8x32", 1),
        ),
        ("aten.cat.default",),
        check=_MOVES,
        repeats="in[0]",
    ),
    OpSpec(
        "Pack",
        (_joined("rank3", "1x8x32", "1x2x8x32", 1), _joined("rank2", "8x32", "2x8x32", 0)),
        ("aten.stack.default",),
        check=_MOVES,
        repeats="in[0]",
    ),
    OpSpec(
        "UnPack",
        (_parted("rank4", "1x2x8x32", "1x8x32", 1), _parted("rank3", "2x8x32", "8x32", 0)),
        ("aten.unbind.int",),
        check=_MOVES,
        repeats="out[0]",
    ),
    OpSpec(
        "Split",
        (
            _parted("rank3", "1x8x32", "1x4x32", 1, split_index=("u32", (4,))),
            _parted("rank4", "1x8x8x32", "1x8x8x16", 3, split_index=("u32", (16,))),
            _parted("rank2", "8x32", "4x32", 0, split_index=("u32", (4,))),
        ),
        ("aten.split_with_sizes_copy.default",),
        check=_MOVES,
        repeats="out[0]",
    ),
)

_PLACES = (
    OpSpec(
        "Gather",
        (
            when(
                case(
                    "embedding",
                    static("16x32", DATA),
                    put("1x8", INDEX, span=(0, 15)),
                    out("1x8x32", DATA),
                    axis=("i32", 0),
                ),
                "constant in[0]",
            ),
            when(
                case("data", put("1x8x32", DATA), put("4", INDEX, span=_EIGHT), out("1x4x32", DATA), axis=("i32", 1)),
                "fed",
            ),
            case("fixed", put("1x8x32", DATA), static("4", INDEX, span=_EIGHT), out("1x4x32", DATA), axis=("i32", 1)),
            case(
                "fixed_rank4",
                put("1x8x8x32", DATA),
                static("4", INDEX, span=_EIGHT),
                out("1x8x4x32", DATA),
                axis=("i32", 2),
            ),
        ),
        ("aten.embedding.default", "aten.index_select.default", "aten.index.Tensor"),
        check=_MOVES,
    ),
    OpSpec(
        "GatherElements",
        (
            case("rank3", put("1x8x32", DATA), put("1x4x32", INDEX, span=_EIGHT), out("1x4x32", DATA), axis=u32(1)),
            case("rank2", put("8x32", DATA), put("4x32", INDEX, span=_EIGHT), out("4x32", DATA), axis=u32(0)),
        ),
        ("aten.gather.default",),
        check=_MOVES,
    ),
    OpSpec(
        "GatherNd",
        (
            case("rows", put("8x32", DATA), put("4x1", INDEX, span=_EIGHT), out("4x32", DATA), batch_dims=u32(0)),
            case("fixed", put("8x32", DATA), static("4x1", INDEX, span=_EIGHT), out("4x32", DATA), batch_dims=u32(0)),
            case("pairs", put("8x8x32", DATA), put("4x2", INDEX, span=_EIGHT), out("4x32", DATA), batch_dims=u32(0)),
        ),
        check=_MOVES,
    ),
    OpSpec(
        "ScatterNd",
        (
            case("fixed", put("4x32", INTS), static("3x1", INDEX, span=(0, 0)), put("3x32", INTS), out("4x32", INTS)),
            case("dynamic", put("4x32", INTS), put("3x1", INDEX, span=(2, 2)), put("3x32", INTS), out("4x32", INTS)),
            when(
                case(
                    "add",
                    put("4x32", INTS),
                    put("3x1", INDEX, span=(0, 3)),
                    put("3x32", INTS),
                    out("4x32", INTS),
                    reduction=u32(1),
                ),
                "by name",
            ),
        ),
        ("aten.index_put.default", "aten.slice_scatter.default"),
        check=_MOVES,
    ),
    OpSpec(
        "ScatterElements",
        tuple(
            case(
                name,
                put("1x8x32", INTS),
                put("1x1x32", INDEX, span=_EIGHT),
                put("1x1x32", INTS),
                out("1x8x32", INTS),
                axis=u32(1),
                reduction=u32(mode),
            )
            for name, mode in (("replace", 0), ("add", 1))
        ),
        ("aten.scatter.src", "aten.scatter.value"),
        check=_MOVES,
        turns=6,
    ),
)

MOVES = (*_LAYOUT, *_JOINS, *_PLACES)
