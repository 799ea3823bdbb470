"""The probes of convolutions, matrix products, norms and softmaxes."""

from __future__ import annotations

from qnnsolve.probe.catalog.convolutions import CONV_SPAN, CONVOLUTIONS
from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, FALSE, INTS, TRUE, WEIGHT, alike, as_chosen, bias, moved, norm, same, u32
from qnnsolve.probe.questions import CaseSpec, Nested, OpSpec, TensorPort

__all__ = ["PRODUCTS"]


def _linear(
    name: str,
    before: str,
    after: str,
    blocks: int = 2,
    codes: str = WEIGHT,
    weight: str = "32x32",
    **params: tuple[str, Nested],
) -> CaseSpec:
    """A linear; ``weight`` is what it makes by what it reads."""
    by = static(weight, codes, blocks=blocks, span=CONV_SPAN)
    return case(name, put(before, ACT), by, bias(size=int(weight.split("x")[0])), out(after, ACT), **params)


def _matmul(name: str, left: str | TensorPort, right: str | TensorPort, result: str, turned: bool = False) -> CaseSpec:
    """A product; operands as shapes are fed."""
    first, second = (put(of, INTS) if isinstance(of, str) else of for of in (left, right))
    params = {"transpose_in0": FALSE, "transpose_in1": ("b8", turned)}
    return case(name, first, second, out(result, INTS), **params)


def _beside(*cases: CaseSpec) -> tuple[CaseSpec, ...]:
    return alike(*as_chosen(*cases))


def _by_constant(name: str, left: str, right: str, result: str) -> CaseSpec:
    constant = static(right, _CONSTANT, axis=right.count("x"))
    return when(_matmul(name, left, constant, result), f"rank {left.count('x') + 1}, constant in[1]")


def _constant_by(name: str, left: str, right: str, result: str) -> CaseSpec:
    return when(_matmul(name, static(left, ACT), right, result), f"rank {right.count('x') + 1}, constant in[0]")


def _layer(name: str, shape: str) -> CaseSpec:
    return norm(name, shape, epsilon=("f32", 1e-5), axes=_last(shape))


def _rms(name: str, shape: str) -> CaseSpec:
    return norm(name, shape, epsilon=("f32", 1e-6), axes=_last(shape))


def _last(shape: str) -> tuple[str, Nested]:
    return u32((shape.count("x"),))


def _groups(name: str, shape: str, groups: int = 4) -> CaseSpec:
    return norm(name, shape, epsilon=("f32", 1e-5), group=u32(groups))


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
            *_beside(
                _linear("one", "1x32", "1x32"),
                _linear("deep", "8x512", "8x32", weight="32x512"),
                _linear("wide", "8x32", "8x320", weight="320x32"),
                _linear("rows", "100x32", "100x32"),
                _linear("narrow", "7x5", "7x3", weight="3x5"),
                _linear("column", "8x32", "8x1", weight="1x32"),
            ),
        ),
        ("aten.linear.default",),
        closed=True,
    ),
    OpSpec(
        "MatMul",
        (
            _matmul("rank4", "1x2x8x32", "1x2x32x8", "1x2x8x8"),
            _matmul("rank3", "2x8x32", "2x32x8", "2x8x8"),
            _matmul("rank2", "8x32", "32x8", "8x8"),
            _matmul("rank5", "1x2x2x8x32", "1x2x2x32x8", "1x2x2x8x8"),
            _matmul("broadcast", "2x4x8x32", "1x1x32x8", "2x4x8x8"),
            _matmul("rank4x2", "1x2x8x32", "32x8", "1x2x8x8"),
            _matmul("transposed", "1x2x8x32", "1x2x8x32", "1x2x8x8", turned=True),
            _by_constant("constant", "1x2x8x32", "1x2x32x8", "1x2x8x8"),
            _by_constant("constant_rank2", "8x32", "32x8", "8x8"),
            *alike(
                _matmul("narrow", "1x3x7x5", "1x3x5x3", "1x3x7x3"),
                _matmul("row", "1x4x1x32", "1x4x32x16", "1x4x1x16"),
                _matmul("column", "1x4x8x32", "1x4x32x1", "1x4x8x1"),
                _matmul("outer", "1x4x8x1", "1x4x1x8", "1x4x8x8"),
                _matmul("deep", "1x2x8x512", "1x2x512x8", "1x2x8x8"),
                _matmul("broadcast_first", "1x1x8x32", "2x4x32x8", "2x4x8x8"),
                _matmul("rank3_row", "4x1x32", "4x32x16", "4x1x16"),
                _matmul("rank3_narrow", "3x7x5", "3x5x3", "3x7x3"),
                _matmul("rank3x2", "2x8x32", "32x8", "2x8x8"),
                _matmul("rank2_narrow", "7x5", "5x3", "7x3"),
                _by_constant("constant_rank3", "2x8x32", "2x32x8", "2x8x8"),
                _by_constant("constant_rank5", "1x2x2x8x32", "1x2x2x32x8", "1x2x2x8x8"),
                _by_constant("constant_rank4x2", "1x2x8x32", "32x8", "1x2x8x8"),
                _by_constant("constant_rank3x2", "2x8x32", "32x8", "2x8x8"),
                _by_constant("constant_narrow", "1x3x7x5", "1x3x5x3", "1x3x7x3"),
                _constant_by("constant_first", "1x2x8x32", "1x2x32x8", "1x2x8x8"),
                _constant_by("constant_first_rank2", "8x32", "32x8", "8x8"),
                _constant_by("constant_first_rank3", "2x8x32", "2x32x8", "2x8x8"),
            ),
        ),
        ("aten.matmul.default", "aten.mm.default", "aten.bmm.default"),
        closed=True,
    ),
    OpSpec(
        "LayerNorm",
        (
            _layer("rank2", "8x32"),
            _layer("rank3", "1x8x32"),
            _layer("rank4", "1x8x8x32"),
            *alike(_layer("rank1", "32"), _layer("rank5", "1x2x4x8x32")),
            *_beside(
                _layer("batch", "4x8x32"),
                _layer("wide", "1x4x512"),
                _layer("narrow", "1x7x5"),
                _layer("rank4_narrow", "2x3x5x7"),
            ),
        ),
        ("aten.native_layer_norm.default",),
        closed=True,
    ),
    OpSpec(
        "RmsNorm",
        (
            _rms("rank2", "8x32"),
            _rms("rank3", "1x8x32"),
            _rms("rank4", "1x2x8x32"),
            *alike(_rms("rank1", "32"), _rms("rank5", "1x2x4x8x32")),
            *_beside(
                _rms("batch", "4x8x32"),
                _rms("wide", "1x4x512"),
                _rms("narrow", "1x7x5"),
                _rms("rank4_narrow", "2x3x5x7"),
            ),
        ),
        ("aten.rms_norm.default",),
        closed=True,
    ),
    OpSpec(
        "Batchnorm",
        (
            norm("rank4", "1x8x8x32"),
            norm("rank3", "1x8x32"),
            norm("rank2", "8x32"),
            norm("batch", "2x8x8x32"),
            *alike(norm("rank5", "1x2x4x8x32")),
            *_beside(
                norm("narrow", "1x7x5x3"),
                norm("rank3_narrow", "2x7x3"),
                norm("rank2_narrow", "7x3"),
            ),
        ),
        ("aten._native_batch_norm_legit_no_training.default",),
        closed=True,
    ),
    OpSpec(
        "InstanceNorm",
        (
            norm("rank4", "1x8x8x32"),
            norm("rank3", "1x8x32"),
            *alike(norm("rank5", "1x2x4x8x32")),
            *_beside(
                norm("batch", "2x8x8x32"),
                norm("narrow", "1x7x5x3"),
                when(norm("rank3_batch", "2x7x3"), "rank 3, by name"),
            ),
        ),
        ("aten.instance_norm.default",),
        closed=True,
    ),
    OpSpec(
        "GroupNorm",
        (
            _groups("rank4", "1x8x8x32"),
            *alike(_groups("rank3", "1x8x32"), _groups("rank5", "1x2x4x8x32"), _groups("rank2", "8x32")),
            *_beside(
                _groups("batch", "2x8x8x32"),
                _groups("whole", "1x8x8x32", 1),
                _groups("each", "1x8x8x32", 32),
                _groups("narrow", "1x7x5x6", 3),
                when(_groups("rank3_batch", "2x7x6", 3), "rank 3, by name"),
            ),
        ),
        ("aten.native_group_norm.default",),
        closed=True,
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
            when(moved("pair", "1x2x16x2", "1x2x16x2", ACT, axis=u32(3)), "by name"),
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
