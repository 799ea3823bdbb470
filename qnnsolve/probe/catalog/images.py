"""The probes of resizing, reductions, searches and random numbers."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, ANY, FALSE, INDEX, INTS, TRUE, moved, reduction, u32
from qnnsolve.probe.catalog.pools import POOLS
from qnnsolve.probe.questions import CaseSpec, Check, Fill, OpSpec

__all__ = ["IMAGES"]

_MOVES = Check.MOVES


def _resized(name: str, before: str, after: str, corners: bool = False) -> CaseSpec:
    aligned, centred = (TRUE, FALSE) if corners else (FALSE, TRUE)
    return moved(name, before, after, ACT, align_corners=aligned, half_pixel_centers=centred)


def _bicubic(name: str, before: str, after: str, corners: bool = False) -> CaseSpec:
    mode = u32(2 if corners else 1)
    return moved(
        name,
        before,
        after,
        ACT,
        exclude_outside=FALSE,
        transformation_mode=mode,
        interpolation_mode=u32(2),
        cubic_coeff=("f32", -0.75),
    )


def _grid(
    name: str, image: str = "1x8x8x32", grid: str = "1x8x8x2", corners: bool = False, mode: int = 0, pad: int = 0
) -> CaseSpec:
    after = f"{grid.rpartition('x')[0]}x{image.rpartition('x')[2]}"
    params = {"align_corners": TRUE if corners else FALSE, "mode": u32(mode), "padding_mode": u32(pad)}
    return case(name, put(image, ACT), put(grid, ACT, span=(-1.1, 1.05)), out(after, ACT), **params)


_RESIZES = (
    OpSpec(
        "Resize",
        (
            _bicubic("bicubic", "1x4x4x32", "1x8x8x32"),
            _bicubic("threefold", "1x4x4x32", "1x12x12x32"),
            _bicubic("fraction", "1x4x5x32", "1x7x9x32"),
            _bicubic("shrunk", "1x8x8x32", "1x3x5x32"),
            _bicubic("halved", "1x8x8x32", "1x4x4x32"),
            _bicubic("narrow", "1x4x5x3", "1x6x9x3"),
            when(_bicubic("corners", "1x4x4x32", "1x8x8x32", corners=True), "by name"),
        ),
        ("aten.upsample_bicubic2d.vec",),
    ),
    OpSpec(
        "ResizeBilinear",
        (
            _resized("half_pixel", "1x4x4x32", "1x8x8x32"),
            _resized("corners", "1x4x4x32", "1x8x8x32", corners=True),
            _resized("threefold", "1x4x4x32", "1x12x12x32"),
            _resized("fraction", "1x4x5x32", "1x7x9x32"),
            _resized("fraction_corners", "1x4x5x32", "1x7x9x32", corners=True),
            _resized("shrunk", "1x8x8x32", "1x3x5x32"),
            _resized("shrunk_corners", "1x8x8x32", "1x3x5x32", corners=True),
            _resized("halved", "1x8x8x32", "1x4x4x32"),
            _resized("one", "1x1x1x32", "1x4x6x32"),
            _resized("one_corners", "1x1x4x32", "1x3x8x32", corners=True),
            _resized("narrow", "1x4x5x3", "1x6x9x3"),
        ),
        ("aten.upsample_bilinear2d.vec",),
    ),
    OpSpec(
        "ResizeNearestNeighbor",
        (
            _resized("half_pixel", "1x4x4x32", "1x8x8x32"),
            _resized("threefold", "1x4x5x32", "1x12x10x32"),
            _resized("one", "1x1x4x32", "1x5x4x32"),
            _resized("narrow", "1x4x5x3", "1x8x20x3"),
            when(_resized("fraction", "1x4x5x32", "1x7x9x32"), "by name"),
            when(_resized("shrunk", "1x8x8x32", "1x3x5x32"), "by name"),
            when(_resized("halved", "1x8x8x32", "1x4x4x32"), "by name"),
        ),
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
        (
            _grid("zeros"),
            _grid("border", pad=1),
            _grid("reflection", pad=2),
            _grid("corners", corners=True),
            _grid("nearest", mode=1),
            _grid("odd", "1x7x5x3", "1x3x9x2"),
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

IMAGES = (*POOLS, *_RESIZES, *_REDUCTIONS)
