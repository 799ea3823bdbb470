"""The probes of pooling, resizing, reductions, searches and random numbers."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, static
from qnnsolve.probe.catalog.parts import ACT, ANY, FALSE, INDEX, INTS, TRUE, moved, reduction, u32
from qnnsolve.probe.questions import CaseSpec, Check, Fill, Nested, OpSpec

__all__ = ["IMAGES"]

_NONE: Nested = ((0, 0), (0, 0))
_MOVES = Check.MOVES


def _pool(name: str, kind: str, size: int = 2, pads: Nested = _NONE, batch: int = 1) -> CaseSpec:
    counted = {"count_pad_for_edges": TRUE} if kind == "avg" else {}
    return case(
        name,
        put(f"{batch}x8x8x32", ACT),
        out(f"{batch}x4x4x32", ACT),
        filter_size=u32((size, size)),
        stride=u32((2, 2)),
        pad_amount=u32(pads),
        **counted,
    )


_POOLS = (
    OpSpec(
        "PoolMax2d",
        (
            _pool("2x2", "max"),
            _pool("3x3", "max", 3, ((1, 0), (1, 0))),
            _pool("batch", "max", batch=2),
        ),
        ("aten.max_pool2d.default",),
        check=_MOVES,
    ),
    OpSpec(
        "PoolAvg2d",
        (
            _pool("2x2", "avg"),
            moved(
                "global",
                "1x8x8x32",
                "1x1x1x32",
                ACT,
                filter_size=u32((8, 8)),
                stride=u32((8, 8)),
                pad_amount=u32(_NONE),
            ),
            _pool("batch", "avg", batch=2),
        ),
        ("aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default"),
    ),
    OpSpec(
        "PoolAvg3d",
        (
            moved(
                "2x2x2",
                "1x4x8x8x32",
                "1x2x4x4x32",
                ACT,
                filter_size=u32((2, 2, 2)),
                stride=u32((2, 2, 2)),
                pad_amount=u32(((0, 0), (0, 0), (0, 0))),
                count_pad_for_edges=FALSE,
                rounding_mode=u32(0),
            ),
        ),
        ("aten.avg_pool3d.default", "aten.adaptive_avg_pool3d.default"),
    ),
)

_RESIZES = (
    OpSpec(
        "Resize",
        (
            moved(
                "bicubic",
                "1x4x4x32",
                "1x8x8x32",
                ACT,
                exclude_outside=FALSE,
                transformation_mode=u32(0),
                interpolation_mode=u32(2),
                cubic_coeff=("f32", -0.75),
            ),
        ),
        ("aten.upsample_bicubic2d.vec",),
    ),
    OpSpec(
        "ResizeBilinear",
        (
            moved("half_pixel", "1x4x4x32", "1x8x8x32", ACT, align_corners=FALSE, half_pixel_centers=TRUE),
            moved("corners", "1x4x4x32", "1x8x8x32", ACT, align_corners=TRUE, half_pixel_centers=FALSE),
        ),
        ("aten.upsample_bilinear2d.vec",),
    ),
    OpSpec(
        "ResizeNearestNeighbor",
        (moved("half_pixel", "1x4x4x32", "1x8x8x32", ACT, align_corners=FALSE, half_pixel_centers=TRUE),),
        ("aten.upsample_nearest2d.vec",),
        check=_MOVES,
    ),
    OpSpec(
        "DepthToSpace",
        (
            moved("crd", "1x4x4x32", "1x8x8x8", block_size=u32((2, 2)), mode=u32(1)),
            moved("dcr", "1x4x4x32", "1x8x8x8", block_size=u32((2, 2)), mode=u32(0)),
        ),
        ("aten.pixel_shuffle.default",),
        check=_MOVES,
    ),
    OpSpec(
        "SpaceToDepth",
        (
            moved("crd", "1x8x8x8", "1x4x4x32", block_size=u32((2, 2)), mode=u32(1)),
            moved("dcr", "1x8x8x8", "1x4x4x32", block_size=u32((2, 2)), mode=u32(0)),
        ),
        ("aten.pixel_unshuffle.default",),
        check=_MOVES,
    ),
    OpSpec(
        "ChannelShuffle",
        (moved("last", "1x8x8x32", "1x8x8x32", ACT, num_groups=u32(4), axis=u32(3)),),
        ("aten.channel_shuffle.default",),
        check=_MOVES,
    ),
    OpSpec(
        "GridSample",
        tuple(
            case(
                name,
                put("1x8x8x32", ACT),
                put("1x8x8x2", ACT, span=(-1.1, 1.05)),
                out("1x8x8x32", ACT),
                align_corners=FALSE,
                mode=u32(0),
                padding_mode=u32(pad),
            )
            for name, pad in (("zeros", 0), ("border", 1))
        ),
        ("aten.grid_sampler_2d.default",),
    ),
)

_REDUCTIONS = (
    OpSpec("ReduceMean", reduction(ANY), ("aten.mean.dim",)),
    OpSpec("ReduceSum", reduction(f"{ANY} b8"), ("aten.sum.dim_IntList",)),
    OpSpec("ReduceMax", reduction(f"{ANY} b8"), ("aten.amax.default",), check=_MOVES),
    OpSpec("ReduceMin", reduction(f"{ANY} b8"), ("aten.amin.default",), check=_MOVES),
    *(
        OpSpec(
            name,
            tuple(
                case(
                    label,
                    put(before, INTS, fill=Fill.DISTINCT),
                    out(after, INDEX),
                    axis=u32(before.count("x")),
                    keep_dims=keep,
                )
                for label, before, after, keep in (
                    ("last", "1x8x32", "1x8x1", TRUE),
                    ("drop", "1x8x32", "1x8", FALSE),
                    ("rank4", "1x8x8x32", "1x8x8x1", TRUE),
                    ("rank2", "8x32", "8x1", TRUE),
                )
            ),
            (aten,),
            check=Check.PLACES,
        )
        for name, aten in (("Argmax", "aten.argmax.default"), ("Argmin", "aten.argmin.default"))
    ),
    OpSpec(
        "TopK",
        tuple(
            case(
                name,
                put(before, INTS, fill=Fill.DISTINCT),
                out(after, INTS),
                out(after, INDEX),
                k=u32(int(after.rpartition("x")[2])),
                largest=largest,
            )
            for name, before, after, largest in (
                ("rank3", "1x8x32", "1x8x4", TRUE),
                ("rank2", "8x32", "8x4", TRUE),
                ("rank4", "1x8x8x32", "1x8x8x4", TRUE),
                ("smallest", "1x8x32", "1x8x4", FALSE),
                ("sorted", "1x8x32", "1x8x32", TRUE),
            )
        ),
        ("aten.topk.default", "aten.sort.default"),
        check=Check.PLACES,
    ),
    OpSpec(
        "RandomNormalLike",
        (case("rank3", static("3", "u32 i32", span=(8, 8)), out("8x8x8", ACT), mean=("f32", 0.0), scale=("f32", 1.0)),),
        ("aten.randn.default", "aten.randn_like.default"),
        check=Check.RANGE,
    ),
    OpSpec(
        "RandomUniformLike",
        (case("rank3", static("3", "u32 i32", span=(8, 8)), out("8x8x8", ACT), low=("f32", 0.0), high=("f32", 1.0)),),
        ("aten.rand.default", "aten.rand_like.default"),
        check=Check.RANGE,
        fixed=(0.0, 1.0),
    ),
)

IMAGES = (*_POOLS, *_RESIZES, *_REDUCTIONS)
