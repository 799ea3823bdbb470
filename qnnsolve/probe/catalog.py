"""The probes of the operators that vision and transformer models are made of.

Shapes are QNN's: channels last for images, weights HWIO, FullyConnected weights (out, in).
"""

from __future__ import annotations

from qnnsolve.probe.specs import CaseSpec, Nested, OpSpec, Port, case, out, put, static

__all__ = [
    "ACT",
    "ANY",
    "BIAS",
    "CORE",
    "DATA",
    "INDEX",
    "WEIGHT",
    "binary",
    "moved",
    "norm",
    "reduction",
    "same",
    "u32",
]

ACT = "u8 s8 u16 s16 f32 f16"
"""Activations."""
DATA = f"{ACT} s32 i32 u32 b8"
"""What data movement may carry."""
ANY = "u8 s8 u16 s16 s32 f32 f16 i32 u32"
"""Arithmetic on numbers of any kind."""
WEIGHT = "u8 s8 s8c s4 s4c s4b s2c u16 s16 s16c f32 f16"
BIAS = "s32 s32c u8 s8 i32 f32 f16 -"
NORM_WEIGHT = "u8 s8 s8c u16 s16 s16c f32 f16"
NORM_BIAS = "u8 s8 u16 s16 s32 s32c i32 f32 f16 -"


def u32(value: Nested) -> tuple[str, Nested]:
    """Return an unsigned parameter."""
    return ("u32", value)


def _conv(name: str, weight: str, output: str = "1x8x8x32", pad: int = 1, group: int | None = 1) -> CaseSpec:
    params = {"stride": u32((1, 1)), "pad_amount": u32(((pad, pad), (pad, pad))), "dilation": u32((1, 1))}
    if group is not None:
        params["group"] = u32(group)
    bias = static("32", BIAS)
    return case(name, put("1x8x8x32", ACT), static(weight, WEIGHT, axis=3), bias, out(output, ACT), **params)


def same(codes: str = ACT, ranks: str = "34", **params: tuple[str, Nested]) -> tuple[CaseSpec, ...]:
    """Return one-input cases whose output has the input's shape, per rank."""
    shapes = {"2": "8x32", "3": "1x8x32", "4": "1x8x8x32"}
    return tuple(case(f"rank{rank}", put(shapes[rank], codes), out(shapes[rank], codes), **params) for rank in ranks)


def binary(codes: str = ANY, result: str | None = None, **params: tuple[str, Nested]) -> tuple[CaseSpec, ...]:
    """Return the two-input cases: two tensors, one broadcast, one constant scalar."""
    last = out("1x8x8x32", result or codes)
    return (
        case("same", put("1x8x8x32", codes), put("1x8x8x32", codes), last, **params),
        case("broadcast", put("1x8x8x32", codes), put("1x1x1x32", codes), last, **params),
        case("constant", put("1x8x8x32", codes), static("1", codes), last, **params),
        case("constant_first", static("1", codes), put("1x8x8x32", codes), last, **params),
        case("rank3", put("1x8x32", codes), put("1x8x32", codes), out("1x8x32", result or codes), **params),
    )


def _pool(first: str) -> dict[str, tuple[str, Nested]]:
    params: dict[str, tuple[str, Nested]] = {
        "filter_size": u32((2, 2)),
        "stride": u32((2, 2)),
        "pad_amount": u32(((0, 0), (0, 0))),
    }
    return params if first == "max" else params | {"count_pad_for_edges": ("b8", True)}


def norm(name: str, shape: str, **params: tuple[str, Nested]) -> CaseSpec:
    """Return a case with input, weight, bias and output."""
    return case(name, put(shape, ACT), static("32", NORM_WEIGHT), static("32", NORM_BIAS), out(shape, ACT), **params)


def moved(name: str, before: str, after: str, codes: str = DATA, **params: tuple[str, Nested]) -> CaseSpec:
    """Return a one-input case whose output has another shape."""
    return case(name, put(before, codes), out(after, codes), **params)


def reduction(codes: str) -> tuple[CaseSpec, ...]:
    """Return the cases of a reduction: over the last axis, over height and width, and with the axes dropped."""
    keep, drop = ("b8", True), ("b8", False)
    return (
        moved("last", "1x8x32", "1x8x1", codes, axes=u32((2,)), keep_dims=keep),
        moved("hw", "1x8x8x32", "1x1x1x32", codes, axes=u32((1, 2)), keep_dims=keep),
        moved("drop", "1x8x8x32", "1x32", codes, axes=u32((1, 2)), keep_dims=drop),
    )


def _matmul(name: str, left: str, right: Port, result: str) -> CaseSpec:
    no = ("b8", False)
    return case(name, put(left, f"{ACT} i32"), right, out(result, f"{ACT} i32"), transpose_in0=no, transpose_in1=no)


def _select(name: str, condition: str, left: Port, right: Port) -> CaseSpec:
    return case(name, put(condition, "b8 u8 i32"), left, right, out("1x8x8x32", DATA))


def _concat(name: str, part: str, whole: str, axis: int) -> CaseSpec:
    return case(name, put(part, DATA), put(part, DATA), out(whole, DATA), axis=u32(axis))


INDEX = "i32 u32"
_COMPARE = f"{ANY} b8"

CORE = (
    OpSpec(
        "Conv2d",
        (
            _conv("3x3", "3x3x32x32"),
            _conv("1x1", "1x1x32x32", pad=0),
            _conv("grouped", "3x3x16x32", group=2),
        ),
        ("aten.convolution.default",),
    ),
    OpSpec("DepthWiseConv2d", (_conv("3x3", "3x3x1x32", group=None),), ("aten.convolution.default",)),
    OpSpec(
        "FullyConnected",
        (
            case("rank2", put("8x32", ACT), static("32x32", WEIGHT), static("32", BIAS), out("8x32", ACT)),
            case("rank3", put("1x8x32", ACT), static("32x32", WEIGHT), static("32", BIAS), out("8x32", ACT)),
        ),
        ("aten.linear.default",),
    ),
    OpSpec(
        "MatMul",
        (
            _matmul("rank4", "1x2x8x32", put("1x2x32x8", f"{ACT} i32"), "1x2x8x8"),
            _matmul("rank3", "2x8x32", put("2x32x8", f"{ACT} i32"), "2x8x8"),
            _matmul("rank2", "8x32", put("32x8", f"{ACT} i32"), "8x8"),
            _matmul("constant", "1x2x8x32", static("1x2x32x8", f"{ACT} s8c s4 s4c", axis=3), "1x2x8x8"),
        ),
        ("aten.matmul.default", "aten.mm.default", "aten.bmm.default"),
    ),
    OpSpec(
        "LayerNorm",
        (
            norm("rank3", "1x8x32", epsilon=("f32", 1e-5), axes=u32((2,))),
            norm("rank4", "1x8x8x32", epsilon=("f32", 1e-5), axes=u32((3,))),
        ),
        ("aten.native_layer_norm.default",),
    ),
    OpSpec(
        "Softmax",
        (
            case("rank3", put("1x8x32", ACT), out("1x8x32", ACT), axis=u32(2)),
            case("rank4", put("1x2x8x32", ACT), out("1x2x8x32", ACT), axis=u32(3)),
            case("rank2", put("8x32", ACT), out("8x32", ACT), axis=u32(1)),
        ),
        ("aten._softmax.default", "aten._safe_softmax.default"),
    ),
    OpSpec("Gelu", same(), ("aten.gelu.default",)),
    OpSpec("Relu", same(f"{ACT} s32 i32"), ("aten.relu.default",)),
    OpSpec(
        "ReluMinMax",
        same(f"{ACT} s32 i32", max_value=("f32", 6.0), min_value=("f32", 0.0)),
        ("aten.clamp.default", "aten.hardtanh.default"),
    ),
    OpSpec("ElementWiseAdd", binary(f"{ANY} b8"), ("aten.add.Tensor",)),
    OpSpec("ElementWiseSubtract", binary(f"{ANY} b8"), ("aten.sub.Tensor",)),
    OpSpec("ElementWiseMultiply", binary(f"{ANY} b8"), ("aten.mul.Tensor",), turns=4),  # i32, u32: random per process
    OpSpec("ElementWiseDivide", binary(), ("aten.div.Tensor",)),
    OpSpec(
        "ElementWiseSelect",
        (
            _select("same", "1x8x8x32", put("1x8x8x32", DATA), put("1x8x8x32", DATA)),
            _select("broadcast", "1x1x8x32", put("1x8x8x32", DATA), put("1x1x1x1", DATA)),
            _select("constants", "1x8x8x32", static("1", DATA), static("1", DATA)),
        ),
        ("aten.where.self",),
    ),
    *(
        OpSpec(f"ElementWise{name}", binary(_COMPARE, "b8 u8 i32"), (f"aten.{aten}.Tensor",))
        for name, aten in (
            ("Equal", "eq"),
            ("NotEqual", "ne"),
            ("Greater", "gt"),
            ("GreaterEqual", "ge"),
            ("Less", "lt"),
            ("LessEqual", "le"),
        )
    ),
    OpSpec("ElementWiseAnd", binary("b8 u8 i32 f32"), ("aten.logical_and.default", "aten.bitwise_and.Tensor")),
    OpSpec("ElementWiseOr", binary("b8 u8 i32 f32"), ("aten.logical_or.default", "aten.bitwise_or.Tensor")),
    OpSpec("ElementWiseXor", binary("b8 u8 i32 f32"), ("aten.bitwise_xor.Tensor",)),
    OpSpec("ElementWiseNot", same("b8 u8 i32 f32"), ("aten.logical_not.default",)),
    OpSpec("PoolMax2d", (moved("2x2", "1x8x8x32", "1x4x4x32", ACT, **_pool("max")),), ("aten.max_pool2d.default",)),
    OpSpec(
        "PoolAvg2d",
        (
            moved("2x2", "1x8x8x32", "1x4x4x32", ACT, **_pool("avg")),
            moved(
                "global",
                "1x8x8x32",
                "1x1x1x32",
                ACT,
                filter_size=u32((8, 8)),
                stride=u32((8, 8)),
                pad_amount=u32(((0, 0), (0, 0))),
            ),
        ),
        ("aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default"),
    ),
    OpSpec("ReduceMean", reduction(ANY), ("aten.mean.dim",)),
    OpSpec(
        "Reshape",
        (
            moved("rank4to3", "1x8x8x32", "1x64x32"),
            moved("rank3to4", "1x64x32", "1x8x8x32"),
            moved("rank2to3", "8x32", "1x8x32"),
        ),
        ("aten.view_copy.default", "aten.squeeze_copy.dims", "aten.unsqueeze_copy.default"),
    ),
    OpSpec(
        "Transpose",
        (
            moved("rank3", "2x8x32", "2x32x8", perm=u32((0, 2, 1))),
            moved("rank4", "1x8x2x32", "1x2x8x32", perm=u32((0, 2, 1, 3))),
            moved("rank2", "8x32", "32x8", perm=u32((1, 0))),
            moved("rank5", "1x2x4x8x16", "1x4x2x8x16", perm=u32((0, 2, 1, 3, 4))),
        ),
        ("aten.permute_copy.default",),
    ),
    OpSpec(
        "Tile",
        (
            moved("rank3", "1x1x32", "1x8x32", multiples=u32((1, 8, 1))),
            moved("rank4", "1x1x8x32", "1x2x8x32", multiples=u32((1, 2, 1, 1))),
        ),
        ("aten.expand_copy.default", "aten.repeat.default"),
    ),
    OpSpec(
        "Concat",
        (_concat("rank3", "1x8x32", "1x16x32", 1), _concat("rank4", "1x8x8x32", "1x8x8x64", 3)),
        ("aten.cat.default",),
        repeats="in[0]",
    ),
    OpSpec(
        "StridedSlice",
        (
            moved("rank3", "1x8x32", "1x4x32", ranges=("i32", ((0, 1, 1), (0, 4, 1), (0, 32, 1)))),
            moved("rank4", "1x8x8x32", "1x8x4x32", ranges=("i32", ((0, 1, 1), (0, 8, 1), (0, 8, 2), (0, 32, 1)))),
            moved("shrink", "1x8x32", "1x32", ranges=("i32", ((0, 1, 1), (0, 0, 1), (0, 32, 1))), shrink_axes=u32(2)),
        ),
        ("aten.slice_copy.Tensor", "aten.select_copy.int"),
    ),
    OpSpec(
        "Pad",
        (
            moved(
                "constant",
                "1x8x8x32",
                "1x10x10x32",
                scheme=u32(0),
                pad_constant_value=("f32", 0.0),
                pad_amount=u32(((0, 0), (1, 1), (1, 1), (0, 0))),
            ),
            moved(
                "rank3",
                "1x8x32",
                "1x10x32",
                scheme=u32(0),
                pad_constant_value=("f32", 0.0),
                pad_amount=u32(((0, 0), (1, 1), (0, 0))),
            ),
            moved("reflect", "1x8x8x32", "1x10x10x32", scheme=u32(2), pad_amount=u32(((0, 0), (1, 1), (1, 1), (0, 0)))),
        ),
        ("aten.constant_pad_nd.default", "aten.reflection_pad2d.default"),
    ),
    OpSpec(
        "Gather",
        (
            case("embedding", static("16x32", DATA), put("1x8", INDEX), out("1x8x32", DATA), axis=("i32", 0)),
            case("data", put("1x8x32", DATA), put("4", INDEX), out("1x4x32", DATA), axis=("i32", 1)),
            case("fixed", put("1x8x32", DATA), static("4", INDEX), out("1x4x32", DATA), axis=("i32", 1)),
        ),
        ("aten.embedding.default", "aten.index_select.default", "aten.index.Tensor"),
    ),
    OpSpec(
        "GatherElements",
        (case("rank3", put("1x8x32", DATA), put("1x4x32", INDEX), out("1x4x32", DATA), axis=u32(1)),),
        ("aten.gather.default",),
    ),
    OpSpec("Convert", same(f"{ACT} s32 i32"), ("aten._to_copy.default",)),
    OpSpec("Cast", same(DATA), ("aten._to_copy.default",)),
    OpSpec("Quantize", same(f"{ACT} s32 i32"), ("quantized_decomposed.quantize_per_tensor.default",)),
    OpSpec("Dequantize", same(f"{ACT} s32 i32"), ("quantized_decomposed.dequantize_per_tensor.default",)),
    OpSpec("Batchnorm", (norm("rank4", "1x8x8x32"),), ("aten._native_batch_norm_legit_no_training.default",)),
    OpSpec("ExpandDims", (moved("rank2to3", "8x32", "1x8x32", axis=u32(0)),)),
    OpSpec("Squeeze", (moved("rank3to2", "1x8x32", "8x32"),)),
    OpSpec(
        "Split",
        (
            case(
                "rank3",
                put("1x8x32", DATA),
                out("1x4x32", DATA),
                out("1x4x32", DATA),
                axis=u32(1),
                split_index=u32((4,)),
            ),
        ),
        ("aten.split_with_sizes_copy.default",),
        repeats="out[0]",
    ),
)
