"""The probes of convolutions, matrix products, norms and softmaxes."""

from __future__ import annotations

from qnnsolve.probe.catalog.convolutions import CONV_SPAN, CONVOLUTIONS
from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, FALSE, INTS, TRUE, WEIGHT, bias, moved, norm, same, u32
from qnnsolve.probe.questions import CaseSpec, Nested, OpSpec, Port

__all__ = ["PRODUCTS"]


def _linear(
    name: str, before: str, after: str, blocks: int = 2, codes: str = WEIGHT, **params: tuple[str, Nested]
) -> CaseSpec:
    weight = static("32x32", codes, blocks=blocks, span=CONV_SPAN)
    return case(name, put(before, ACT), weight, bias(), out(after, ACT), **params)


def _matmul(name: str, left: str, right: Port, result: str, turned: bool = False) -> CaseSpec:
    params = {"transpose_in0": FALSE, "transpose_in1": ("b8", turned)}
    return case(name, put(left, INTS), right, out(result, INTS), **params)


_CONSTANT = f"{ACT} s8c s4 s4c"

PRODUCTS = (
    *CONVOLUTIONS,
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
            norm("rank4", "1x8x8x32", epsilon=("f32", 1e-5), axes=u32((3,))),
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
        (
            norm("rank4", "1x8x8x32"),
            norm("rank3", "1x8x32"),
            norm("rank2", "8x32"),
            norm("batch", "2x8x8x32"),
        ),
        ("aten._native_batch_norm_legit_no_training.default",),
    ),
    OpSpec(
        "InstanceNorm",
        (
            norm("rank4", "1x8x8x32"),
            norm("rank3", "1x8x32"),
        ),
        ("aten.instance_norm.default",),
    ),
    OpSpec(
        "GroupNorm",
        (norm("rank4", "1x8x8x32", epsilon=("f32", 1e-5), group=u32(4)),),
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
            moved("narrow", "1x7x5", "1x7x5", ACT, axis=u32(2)),
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
            moved("rank5", "1x2x2x8x32", "1x2x2x8x32", ACT, axis=u32(4)),
            moved("narrow", "1x7x5", "1x7x5", ACT, axis=u32(2)),
            moved("wide", "1x4x256", "1x4x256", ACT, axis=u32(2)),
        ),
        ("aten._log_softmax.default",),
    ),
    OpSpec("HadamardTransform", same(ranks="2 3 4", scale=("f32", 0.25)), ("qnn_custom.hadamard_transform.default",)),
)
