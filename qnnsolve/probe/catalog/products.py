"""The probes of convolutions, matrix products, norms and softmaxes."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, FALSE, INTS, TRUE, WEIGHT, bias, moved, norm, same, u32
from qnnsolve.probe.questions import CaseSpec, Nested, OpSpec, Port

__all__ = ["PRODUCTS"]

_CONV_SPAN = (-0.5, 0.4)


def _conv(
    name: str,
    before: str,
    weight: str,
    after: str,
    *,
    pads: Nested = ((1, 1), (1, 1)),
    stride: tuple[int, ...] = (1, 1),
    dilation: tuple[int, ...] = (1, 1),
    group: int | None = 1,
    codes: str = WEIGHT,
    blocks: int = 2,
) -> CaseSpec:
    params = {"stride": u32(stride), "pad_amount": u32(pads), "dilation": u32(dilation)}
    if group is not None:
        params["group"] = u32(group)
    size = int(weight.rpartition("x")[2])
    kernel = static(weight, codes, axis=weight.count("x"), blocks=blocks, span=_CONV_SPAN)
    made = case(name, put(before, ACT), kernel, bias(size=size), out(after, ACT), **params)
    wide = "kernel 1x1" if set(weight.split("x")[:-2]) == {"1"} else "kernel wider"
    return when(made, f"{wide}, by name" if set(dilation) != {1} else wide)


_NONE: Nested = ((0, 0), (0, 0))
_IMAGE = "1x8x8x32"
_LPBQ = (
    _conv("lpbq_8", _IMAGE, "1x1x32x32", _IMAGE, pads=_NONE, codes="s4b", blocks=4),
    _conv("lpbq_32", _IMAGE, "1x1x32x32", _IMAGE, pads=_NONE, codes="s4b", blocks=1),
    _conv("lpbq_64", "1x8x8x128", "1x1x128x64", "1x8x8x64", pads=_NONE, codes="s4b"),
    _conv("lpbq_out24", _IMAGE, "1x1x32x24", "1x8x8x24", pads=_NONE, codes="s4b"),
)


def _transpose_conv(name: str, weight: str, after: str, group: int = 1) -> CaseSpec:
    return case(
        name,
        put("1x4x4x32", ACT),
        static(weight, WEIGHT, axis=3, span=_CONV_SPAN),
        bias(),
        out(after, ACT),
        stride=u32((2, 2)),
        pad_amount=u32(_NONE),
        output_padding=u32((0, 0)),
        group=u32(group),
    )


def _linear(
    name: str, before: str, after: str, blocks: int = 2, codes: str = WEIGHT, **params: tuple[str, Nested]
) -> CaseSpec:
    weight = static("32x32", codes, blocks=blocks, span=_CONV_SPAN)
    return case(name, put(before, ACT), weight, bias(), out(after, ACT), **params)


def _matmul(name: str, left: str, right: Port, result: str, turned: bool = False) -> CaseSpec:
    params = {"transpose_in0": FALSE, "transpose_in1": ("b8", turned)}
    return case(name, put(left, INTS), right, out(result, INTS), **params)


_CONSTANT = f"{ACT} s8c s4 s4c"

PRODUCTS = (
    OpSpec(
        "Conv2d",
        (
            _conv("3x3", _IMAGE, "3x3x32x32", _IMAGE),
            _conv("1x1", _IMAGE, "1x1x32x32", _IMAGE, pads=_NONE),
            _conv("grouped", _IMAGE, "3x3x16x32", _IMAGE, group=2),
            _conv("strided", _IMAGE, "3x3x32x32", "1x4x4x32", stride=(2, 2)),
            _conv("dilated", _IMAGE, "3x3x32x32", _IMAGE, pads=((2, 2), (2, 2)), dilation=(2, 2)),
            _conv("batch", "2x8x8x32", "3x3x32x32", "2x8x8x32"),
            _conv("conv1d", "1x1x16x32", "1x3x32x32", "1x1x16x32", pads=((0, 0), (1, 1))),
            *_LPBQ,
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "DepthWiseConv2d",
        (
            _conv("3x3", _IMAGE, "3x3x1x32", _IMAGE, group=None),
            _conv("strided", _IMAGE, "3x3x1x32", "1x4x4x32", stride=(2, 2), group=None),
            _conv("conv1d", "1x1x16x32", "1x3x1x32", "1x1x16x32", pads=((0, 0), (1, 1)), group=None),
            _conv("multiplier", _IMAGE, "3x3x1x64", "1x8x8x64", group=None),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "TransposeConv2d",
        (
            _transpose_conv("2x2", "2x2x32x32", "1x8x8x32"),
            _transpose_conv("3x3", "3x3x32x32", "1x9x9x32"),
            when(_transpose_conv("grouped", "2x2x32x16", "1x8x8x32", group=2), "by name"),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "Conv3d",
        (
            _conv(
                "3x3x3",
                "1x4x8x8x32",
                "3x3x3x32x32",
                "1x4x8x8x32",
                pads=((1, 1), (1, 1), (1, 1)),
                stride=(1, 1, 1),
                dilation=(1, 1, 1),
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
                static("2x2x2x32x32", WEIGHT, axis=4, span=_CONV_SPAN),
                bias(),
                out("1x4x8x8x32", ACT),
                stride=u32((2, 2, 2)),
                pad_amount=u32(((0, 0), (0, 0), (0, 0))),
                output_padding=u32((0, 0, 0)),
                group=u32(1),
            ),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec(
        "FullyConnected",
        (
            _linear("rank2", "8x32", "8x32"),
            _linear("rank3", "1x8x32", "8x32"),
            _linear("rank4", "1x2x8x32", "16x32"),
            when(_linear("keep_dims", "1x8x32", "1x8x32", keep_dims=TRUE), "by name"),
            _linear("lpbq_8", "8x32", "8x32", 4, "s4b"),
            _linear("lpbq_32", "8x32", "8x32", 1, "s4b"),
        ),
        ("aten.linear.default",),
    ),
    OpSpec(
        "MatMul",
        (
            _matmul("rank4", "1x2x8x32", put("1x2x32x8", INTS), "1x2x8x8"),
            _matmul("rank3", "2x8x32", put("2x32x8", INTS), "2x8x8"),
            _matmul("rank2", "8x32", put("32x8", INTS), "8x8"),
            _matmul("rank5", "1x2x2x8x32", put("1x2x2x32x8", INTS), "1x2x2x8x8"),
            _matmul("broadcast", "2x4x8x32", put("1x1x32x8", INTS), "2x4x8x8"),
            _matmul("rank4x2", "1x2x8x32", put("32x8", INTS), "1x2x8x8"),
            _matmul("transposed", "1x2x8x32", put("1x2x8x32", INTS), "1x2x8x8", turned=True),
            _matmul("constant", "1x2x8x32", static("1x2x32x8", _CONSTANT, axis=3), "1x2x8x8"),
            when(_matmul("constant_rank2", "8x32", static("32x8", _CONSTANT, axis=1), "8x8"), "rank 2, constant in[1]"),
        ),
        ("aten.matmul.default", "aten.mm.default", "aten.bmm.default"),
    ),
    OpSpec(
        "LayerNorm",
        (
            norm("rank2", "8x32", epsilon=("f32", 1e-5), axes=u32((1,))),
            norm("rank3", "1x8x32", epsilon=("f32", 1e-5), axes=u32((2,))),
            norm("rank4", _IMAGE, epsilon=("f32", 1e-5), axes=u32((3,))),
        ),
        ("aten.native_layer_norm.default",),
    ),
    OpSpec(
        "RmsNorm",
        (
            norm("rank2", "8x32", epsilon=("f32", 1e-6), axes=u32((1,))),
            norm("rank3", "1x8x32", epsilon=("f32", 1e-6), axes=u32((2,))),
            norm("rank4", "1x2x8x32", epsilon=("f32", 1e-6), axes=u32((3,))),
        ),
        ("aten.rms_norm.default",),
    ),
    OpSpec(
        "Batchnorm",
        (norm("rank4", _IMAGE), norm("rank3", "1x8x32"), norm("rank2", "8x32"), norm("batch", "2x8x8x32")),
        ("aten._native_batch_norm_legit_no_training.default",),
    ),
    OpSpec("InstanceNorm", (norm("rank4", _IMAGE), norm("rank3", "1x8x32")), ("aten.instance_norm.default",)),
    OpSpec(
        "GroupNorm",
        (norm("rank4", _IMAGE, epsilon=("f32", 1e-5), group=u32(4)),),
        ("aten.native_group_norm.default",),
    ),
    OpSpec(
        "Softmax",
        (
            moved("rank2", "8x32", "8x32", ACT, axis=u32(1)),
            moved("rank3", "1x8x32", "1x8x32", ACT, axis=u32(2)),
            moved("rank4", "1x2x8x32", "1x2x8x32", ACT, axis=u32(3)),
            moved("rank5", "1x2x2x8x32", "1x2x2x8x32", ACT, axis=u32(4)),
            moved("wide", "1x4x256", "1x4x256", ACT, axis=u32(2)),
        ),
        ("aten._softmax.default", "aten._safe_softmax.default"),
        fixed=(0.0, 1.0),
    ),
    OpSpec(
        "LogSoftmax",
        (
            moved("rank2", "8x32", "8x32", ACT, axis=u32(1)),
            moved("rank3", "1x8x32", "1x8x32", ACT, axis=u32(2)),
            moved("rank4", "1x2x8x32", "1x2x8x32", ACT, axis=u32(3)),
        ),
        ("aten._log_softmax.default",),
    ),
    OpSpec("HadamardTransform", same(ranks="2 3 4", scale=("f32", 0.25)), ("qnn_custom.hadamard_transform.default",)),
)
