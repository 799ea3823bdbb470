"""The probes of the operators that other models add."""

from __future__ import annotations

from qnnsolve.probe.catalog import ACT, ANY, BIAS, DATA, INDEX, WEIGHT, binary, moved, norm, reduction, same, u32
from qnnsolve.probe.specs import OpSpec, case, out, put, static

__all__ = ["MORE"]

_TRUE, _FALSE = ("b8", True), ("b8", False)
_INTS = f"{ACT} i32"
_UNARY = (
    ("Abs", "abs"),
    ("Asin", "asin"),
    ("Atan", "atan"),
    ("Ceil", "ceil"),
    ("Cos", "cos"),
    ("Exp", "exp"),
    ("Floor", "floor"),
    ("Log", "log"),
    ("Neg", "neg"),
    ("Round", "round"),
    ("Rsqrt", "rsqrt"),
    ("Sign", "sign"),
    ("Sin", "sin"),
    ("SquareRoot", "sqrt"),
)

_POINTWISE = (
    *(OpSpec(f"ElementWise{name}", same(_INTS), (f"aten.{aten}.default",)) for name, aten in _UNARY),
    OpSpec("ElementWiseBinary.floor_divide", binary(operation=u32(4)), ("aten.floor_divide.default",)),
    OpSpec(
        "ElementWiseNeuron.hardsigmoid",
        same(operation=u32(2), alpha=("f32", 1 / 6), beta=("f32", 0.5)),
        ("aten.hardsigmoid.default",),
    ),
    OpSpec("ElementWiseMaximum", binary(), ("aten.maximum.default",)),
    OpSpec("ElementWiseMinimum", binary(), ("aten.minimum.default",)),
    OpSpec("ElementWisePower", binary(_INTS), ("aten.pow.Tensor_Tensor",)),
    OpSpec("Sigmoid", same(), ("aten.sigmoid.default",)),
    OpSpec("Tanh", same(), ("aten.tanh.default",)),
    OpSpec("HardSwish", same(), ("aten.hardswish.default",)),
    OpSpec("Elu", same(alpha=("f32", 1.0)), ("aten.elu.default",)),
    OpSpec(
        "Prelu",
        (
            case("channel", put("1x8x8x32", ACT), static("32", ACT), out("1x8x8x32", ACT)),
            case("scalar", put("1x8x8x32", ACT), static("1", ACT), out("1x8x8x32", ACT)),
        ),
        ("aten.prelu.default", "aten.leaky_relu.default"),
    ),
    OpSpec(
        "LogSoftmax",
        (moved("rank3", "1x8x32", "1x8x32", ACT, axis=u32(2)), moved("rank2", "8x32", "8x32", ACT, axis=u32(1))),
        ("aten._log_softmax.default",),
    ),
    OpSpec(
        "IsInf",
        (case("rank3", put("1x8x32", ACT), out("1x8x32", "b8 u8"), detect_negative=_TRUE, detect_positive=_TRUE),),
        ("aten.isinf.default",),
    ),
    OpSpec("IsNan", (case("rank3", put("1x8x32", ACT), out("1x8x32", "b8 u8")),), ("aten.isnan.default",)),
    OpSpec("HadamardTransform", same(scale=("f32", 0.25)), ("qnn_custom.hadamard_transform.default",)),
)

_REDUCE = (
    *(
        OpSpec(f"Reduce{name}", reduction(f"{ANY} b8"), aten)
        for name, aten in (
            ("Sum", ("aten.sum.dim_IntList",)),
            ("Max", ("aten.amax.default",)),
            ("Min", ("aten.amin.default",)),
        )
    ),
    *(
        OpSpec(
            name,
            (
                case("last", put("1x8x32", _INTS), out("1x8x1", INDEX), axis=u32(2), keep_dims=_TRUE),
                case("drop", put("1x8x32", _INTS), out("1x8", INDEX), axis=u32(2), keep_dims=_FALSE),
                case("rank4", put("1x8x8x32", _INTS), out("1x8x8x1", INDEX), axis=u32(3), keep_dims=_TRUE),
            ),
            (aten,),
        )
        for name, aten in (("Argmax", "aten.argmax.default"), ("Argmin", "aten.argmin.default"))
    ),
    OpSpec(
        "TopK",
        tuple(
            case(name, put(before, _INTS), out(after, _INTS), out(after, INDEX), k=u32(4), largest=_TRUE)
            for name, before, after in (("rank3", "1x8x32", "1x8x4"), ("rank2", "8x32", "8x4"))
        ),
        ("aten.topk.default", "aten.sort.default"),
    ),
    OpSpec("CumulativeSum", same(_INTS, "3", axis=u32(1), exclusive=_FALSE, reverse=_FALSE), ("aten.cumsum.default",)),
)

_NORMS = (
    OpSpec("InstanceNorm", (norm("rank4", "1x8x8x32"),), ("aten.instance_norm.default",)),
    OpSpec(
        "GroupNorm",
        (norm("rank4", "1x8x8x32", epsilon=("f32", 1e-5), group=u32(4)),),
        ("aten.native_group_norm.default",),
    ),
    OpSpec(
        "RmsNorm",
        (
            norm("rank3", "1x8x32", epsilon=("f32", 1e-6), axes=u32((2,))),
            norm("rank4", "1x2x8x32", epsilon=("f32", 1e-6), axes=u32((3,))),
        ),
        ("aten.rms_norm.default",),
    ),
)

_CONVS = (
    OpSpec(
        "TransposeConv2d",
        (
            case(
                "2x2",
                put("1x4x4x32", ACT),
                static("2x2x32x32", WEIGHT, axis=3),
                static("32", BIAS),
                out("1x8x8x32", ACT),
                stride=u32((2, 2)),
                pad_amount=u32(((0, 0), (0, 0))),
                output_padding=u32((0, 0)),
                group=u32(1),
            ),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "Conv3d",
        (
            case(
                "3x3x3",
                put("1x4x8x8x32", ACT),
                static("3x3x3x32x32", WEIGHT, axis=4),
                static("32", BIAS),
                out("1x4x8x8x32", ACT),
                stride=u32((1, 1, 1)),
                pad_amount=u32(((1, 1), (1, 1), (1, 1))),
                dilation=u32((1, 1, 1)),
                group=u32(1),
            ),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "TransposeConv3d",
        (
            case(
                "2x2x2",
                put("1x2x4x4x32", ACT),
                static("2x2x2x32x32", WEIGHT, axis=4),
                static("32", BIAS),
                out("1x4x8x8x32", ACT),
                stride=u32((2, 2, 2)),
                pad_amount=u32(((0, 0), (0, 0), (0, 0))),
                output_padding=u32((0, 0, 0)),
                group=u32(1),
            ),
        ),
        ("aten.convolution.default",),
    ),
)

_IMAGES = (
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
                count_pad_for_edges=_TRUE,
                rounding_mode=u32(0),
            ),
        ),
        ("aten.avg_pool3d.default", "aten.adaptive_avg_pool3d.default"),
    ),
    OpSpec(
        "Resize",
        (
            moved(
                "bicubic",
                "1x4x4x32",
                "1x8x8x32",
                ACT,
                exclude_outside=_FALSE,
                transformation_mode=u32(1),
                interpolation_mode=u32(2),
                cubic_coeff=("f32", -0.75),
            ),
        ),
        ("aten.upsample_bicubic2d.vec",),
    ),
    OpSpec(
        "ResizeBilinear",
        (
            moved("half_pixel", "1x4x4x32", "1x8x8x32", ACT, align_corners=_FALSE, half_pixel_centers=_TRUE),
            moved("corners", "1x4x4x32", "1x8x8x32", ACT, align_corners=_TRUE, half_pixel_centers=_FALSE),
        ),
        ("aten.upsample_bilinear2d.vec",),
    ),
    OpSpec(
        "ResizeNearestNeighbor",
        (moved("half_pixel", "1x4x4x32", "1x8x8x32", ACT, align_corners=_FALSE, half_pixel_centers=_TRUE),),
        ("aten.upsample_nearest2d.vec",),
    ),
    OpSpec(
        "DepthToSpace",
        (moved("crd", "1x4x4x32", "1x8x8x8", block_size=u32((2, 2)), mode=u32(1)),),
        ("aten.pixel_shuffle.default",),
    ),
    OpSpec(
        "SpaceToDepth",
        (moved("crd", "1x8x8x8", "1x4x4x32", block_size=u32((2, 2)), mode=u32(1)),),
        ("aten.pixel_unshuffle.default",),
    ),
    OpSpec(
        "ChannelShuffle",
        (moved("last", "1x8x8x32", "1x8x8x32", ACT, num_groups=u32(4), axis=u32(3)),),
        ("aten.channel_shuffle.default",),
    ),
    OpSpec(
        "GridSample",
        (
            case(
                "bilinear",
                put("1x8x8x32", ACT),
                put("1x8x8x2", ACT),
                out("1x8x8x32", ACT),
                align_corners=_FALSE,
                mode=u32(0),
                padding_mode=u32(0),
            ),
        ),
        ("aten.grid_sampler_2d.default",),
    ),
)

_PLACES = (
    OpSpec(
        "Pack",
        (case("rank3", put("1x8x32", DATA), put("1x8x32", DATA), out("1x2x8x32", DATA), axis=u32(1)),),
        ("aten.stack.default",),
        repeats="in[0]",
    ),
    OpSpec(
        "UnPack",
        (case("rank4", put("1x2x8x32", DATA), out("1x8x32", DATA), out("1x8x32", DATA), axis=u32(1)),),
        ("aten.unbind.int",),
        repeats="out[0]",
    ),
    OpSpec(
        "ScatterNd",
        (
            case("fixed", put("8x32", _INTS), static("4x1", INDEX), put("4x32", _INTS), out("8x32", _INTS)),
            case("dynamic", put("8x32", _INTS), put("4x1", INDEX), put("4x32", _INTS), out("8x32", _INTS)),
        ),
        ("aten.index_put.default", "aten.slice_scatter.default"),
    ),
    OpSpec(
        "ScatterElements",
        tuple(
            case(
                name,
                put("1x8x32", _INTS),
                put("1x4x32", INDEX),
                put("1x4x32", _INTS),
                out("1x8x32", _INTS),
                axis=u32(1),
                reduction=u32(mode),
            )
            for name, mode in (("replace", 0), ("add", 1))
        ),
        ("aten.scatter.src", "aten.scatter.value"),
    ),
)

MORE = (*_POINTWISE, *_REDUCE, *_NORMS, *_CONVS, *_IMAGES, *_PLACES)
