"""The probes of element-wise operators."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import Span, case, out, put, static
from qnnsolve.probe.catalog.parts import ACT, ANY, DATA, FALSE, INTS, TRUE, binary, same, u32
from qnnsolve.probe.questions import CaseSpec, Check, OpSpec, TensorPort

__all__ = ["POINTWISE"]

_POSITIVE: Span = (0.15, 4.0)
_FAR_DOWN: Span = (0.004, 4.0)
"""Inputs of a logarithm whose results span so much that its 16-bit output has a legal scale (curated, at_least)."""
_AWAY: Span = (0.4, 2.6)
"""Divisors, away from zero."""

_UNARY: tuple[tuple[str, str, Span | None, Check], ...] = (
    ("Abs", "abs", None, Check.VALUES),
    ("Asin", "asin", (-0.95, 0.9), Check.VALUES),
    ("Atan", "atan", None, Check.VALUES),
    ("Ceil", "ceil", (-3.7, 4.4), Check.JUMPS),
    ("Cos", "cos", (-3.0, 2.8), Check.VALUES),
    ("Exp", "exp", (-3.0, 1.5), Check.VALUES),
    ("Floor", "floor", (-3.7, 4.4), Check.JUMPS),
    ("Log", "log", _FAR_DOWN, Check.VALUES),
    ("Neg", "neg", None, Check.VALUES),
    ("Round", "round", (-3.7, 4.4), Check.JUMPS),
    ("Rsqrt", "rsqrt", _POSITIVE, Check.VALUES),
    ("Sign", "sign", None, Check.JUMPS),
    ("Sin", "sin", (-3.0, 2.8), Check.VALUES),
    ("SquareRoot", "sqrt", _POSITIVE, Check.VALUES),
)
_UNARY_OPERATIONS = (
    *("Abs", "Asin", "Atan", "Ceil", "Cos", "Exp", "Floor", "Log", "Neg", "Not"),
    *("Reciprocal", "Round", "Rsqrt", "Sign", "Sin", "SquareRoot"),
)
"""In the order of ``ElementWiseUnary``'s parameter ``operation``."""
_SPAN_OF = {name: span for name, _, span, _ in _UNARY} | {"Reciprocal": _AWAY}
_CHECK_OF = {name: check for name, _, _, check in _UNARY}

_BINARY_OPERATIONS = (
    *("Add", "And", "Divide", "Equal", "FloorDiv", "Fmod", "Greater", "GreaterEqual", "Less", "LessEqual"),
    *("Maximum", "Minimum", "Mod", "Multiply", "NotEqual", "Or", "Power", "SquaredDifference", "Subtract", "Xor"),
)
"""In the order of ``ElementWiseBinary``'s parameter ``operation``."""
_TABLE_OF = {"FloorDiv": "floor_divide"}
"""Operations that ExecuTorch emits are named as it names them."""
_COMPARISONS = {
    "Equal": "eq",
    "NotEqual": "ne",
    "Greater": "gt",
    "GreaterEqual": "ge",
    "Less": "lt",
    "LessEqual": "le",
}
_LOGIC = {"And", "Or", "Xor"}
_DIVISIONS = {"Divide", "FloorDiv", "Fmod", "Mod"}
_BOOLS = "b8 u8 i32 f32"


def _select(name: str, condition: str, left: TensorPort, right: TensorPort, result: str = "1x8x8x32") -> CaseSpec:
    return case(name, put(condition, "b8 u8 i32"), left, right, out(result, DATA))


def _spans(name: str) -> tuple[Span | None, Span | None]:
    if name in _DIVISIONS:
        return None, _AWAY
    return (_POSITIVE, (-1.2, 1.6)) if name == "Power" else (None, None)


def _of_binary(number: int, name: str) -> OpSpec:
    codes, result = (_BOOLS, None) if name in _LOGIC else (ANY, "b8 u8 i32" if name in _COMPARISONS else None)
    jumps = name in _COMPARISONS or name in ("FloorDiv", "Fmod", "Mod")
    return OpSpec(
        f"ElementWiseBinary.{_TABLE_OF.get(name, name)}",
        binary(codes, result, "3", _spans(name), operation=u32(number)),
        ("aten.floor_divide.default",) if name == "FloorDiv" else (),
        check=Check.JUMPS if jumps else Check.VALUES,
        turns=6 if name in ("FloorDiv", "Power") else 4 if name in ("Multiply", "Add", "Subtract") else 2,
    )


def _of_unary(number: int, name: str) -> OpSpec:
    return OpSpec(
        f"ElementWiseUnary.{name}",
        same("b8 u8 i32 f32" if name == "Not" else INTS, "3 4", _SPAN_OF.get(name), operation=u32(number)),
        ("aten.reciprocal.default",) if name == "Reciprocal" else (),
        check=_CHECK_OF.get(name, Check.VALUES),
    )


_NEURONS = (
    OpSpec("ElementWiseNeuron.elu", same(ACT, "3 4", operation=u32(0), alpha=("f32", 1.0))),
    OpSpec("ElementWiseNeuron.gelu", same(ACT, "3 4", operation=u32(1))),
    OpSpec(
        "ElementWiseNeuron.hardsigmoid",
        same(span=(-4.0, 3.6), operation=u32(2), alpha=("f32", 1 / 6), beta=("f32", 0.5)),
        ("aten.hardsigmoid.default",),
        fixed=(0.0, 1.0),
    ),
    OpSpec("ElementWiseNeuron.hardswish", same(ACT, "3 4", (-4.0, 3.6), operation=u32(3))),
    OpSpec("ElementWiseNeuron.relu", same(ACT, "3 4", operation=u32(4))),
    OpSpec(
        "ElementWiseNeuron.relu_min_max",
        same(ACT, "3 4", operation=u32(5), min_value=("f32", -0.5), max_value=("f32", 1.5)),
    ),
    OpSpec("ElementWiseNeuron.sigmoid", same(ACT, "3 4", operation=u32(6)), fixed=(0.0, 1.0)),
    OpSpec(
        "ElementWiseNeuron.softplus", same(ACT, "3 4", operation=u32(7), beta=("f32", 1.0), threshold=("f32", 20.0))
    ),
    OpSpec("ElementWiseNeuron.tanh", same(ACT, "3 4", operation=u32(8)), fixed=(-1.0, 1.0)),
)

POINTWISE = (
    *(
        OpSpec(f"ElementWise{name}", same(INTS, span=span), (f"aten.{aten}.default",), check=check)
        for name, aten, span, check in _UNARY
    ),
    *(_of_unary(number, name) for number, name in enumerate(_UNARY_OPERATIONS)),
    *(_of_binary(number, name) for number, name in enumerate(_BINARY_OPERATIONS)),
    *_NEURONS,
    OpSpec("ElementWiseAdd", binary(f"{ANY} b8"), ("aten.add.Tensor",)),
    OpSpec("ElementWiseSubtract", binary(f"{ANY} b8"), ("aten.sub.Tensor",)),
    OpSpec("ElementWiseMultiply", binary(f"{ANY} b8"), ("aten.mul.Tensor",), turns=4),  # i32, u32: random per process
    OpSpec("ElementWiseDivide", binary(spans=(None, _AWAY)), ("aten.div.Tensor",)),
    OpSpec("ElementWiseFloorDiv", binary(spans=(None, _AWAY)), check=Check.JUMPS, turns=8),
    OpSpec("ElementWiseMaximum", binary(), ("aten.maximum.default",)),
    OpSpec("ElementWiseMinimum", binary(), ("aten.minimum.default",)),
    OpSpec("ElementWisePower", binary(INTS, spans=(_POSITIVE, (-1.2, 1.6))), ("aten.pow.Tensor_Tensor",), turns=6),
    *(
        OpSpec(f"ElementWise{name}", binary(f"{ANY} b8", "b8 u8 i32"), (f"aten.{aten}.Tensor",), check=Check.JUMPS)
        for name, aten in _COMPARISONS.items()
    ),
    OpSpec("ElementWiseAnd", binary(_BOOLS), ("aten.logical_and.default", "aten.bitwise_and.Tensor")),
    OpSpec("ElementWiseOr", binary(_BOOLS), ("aten.logical_or.default", "aten.bitwise_or.Tensor")),
    OpSpec("ElementWiseXor", binary(_BOOLS), ("aten.bitwise_xor.Tensor",)),
    OpSpec("ElementWiseNot", same(_BOOLS), ("aten.logical_not.default",)),
    OpSpec(
        "ElementWiseSelect",
        (
            _select("same", "1x8x8x32", put("1x8x8x32", DATA), put("1x8x8x32", DATA)),
            _select("broadcast", "1x1x8x32", put("1x8x8x32", DATA), put("1x1x1x1", DATA)),
            _select("constants", "1x8x8x32", static("1", DATA), static("1", DATA)),
            _select("rank3", "1x8x32", put("1x8x32", DATA), put("1x8x32", DATA), "1x8x32"),
            _select("rank2", "8x32", put("8x32", DATA), put("8x32", DATA), "8x32"),
        ),
        ("aten.where.self",),
    ),
    OpSpec("Gelu", same(), ("aten.gelu.default",)),
    OpSpec("Relu", same(f"{ACT} s32 i32"), ("aten.relu.default",)),
    OpSpec(
        "ReluMinMax",
        same(f"{ACT} s32 i32", span=(-2.0, 8.0), max_value=("f32", 6.0), min_value=("f32", 0.0)),
        ("aten.clamp.default", "aten.hardtanh.default"),
    ),
    OpSpec("Sigmoid", same(), ("aten.sigmoid.default",), fixed=(0.0, 1.0)),
    OpSpec("Tanh", same(), ("aten.tanh.default",), fixed=(-1.0, 1.0)),
    OpSpec("HardSwish", same(span=(-4.0, 3.6)), ("aten.hardswish.default",)),
    OpSpec("Elu", same(alpha=("f32", 1.0)), ("aten.elu.default",)),
    OpSpec(
        "Prelu",
        tuple(
            case(name, put(shape, ACT), static(slopes, ACT, span=(0.05, 0.6)), out(shape, ACT))
            for name, shape, slopes in (
                ("channel", "1x8x8x32", "32"),
                ("scalar", "1x8x8x32", "1"),
                ("rank3", "1x8x32", "32"),
                ("rank2", "8x32", "32"),
            )
        ),
        ("aten.prelu.default", "aten.leaky_relu.default"),
    ),
    OpSpec(
        "IsInf",
        (case("rank3", put("1x8x32", ACT), out("1x8x32", "b8 u8"), detect_negative=TRUE, detect_positive=TRUE),),
        ("aten.isinf.default",),
    ),
    OpSpec("IsNan", (case("rank3", put("1x8x32", ACT), out("1x8x32", "b8 u8")),), ("aten.isnan.default",)),
    OpSpec(
        "CumulativeSum",
        (
            case("rank3", put("1x8x32", INTS), out("1x8x32", INTS), axis=u32(1), exclusive=FALSE, reverse=FALSE),
            case("last", put("1x8x32", INTS), out("1x8x32", INTS), axis=u32(2), exclusive=FALSE, reverse=FALSE),
            case("rank2", put("8x32", INTS), out("8x32", INTS), axis=u32(1), exclusive=FALSE, reverse=FALSE),
        ),
        ("aten.cumsum.default",),
    ),
    OpSpec("Convert", same(f"{ACT} s32 i32", "3 4"), ("aten._to_copy.default",)),
    OpSpec("Cast", same(DATA, "3 4"), ("aten._to_copy.default",), check=Check.CASTS, fixed=(0.0, 256.0)),
    OpSpec("Quantize", same(f"{ACT} s32 i32", "3 4"), ("quantized_decomposed.quantize_per_tensor.default",)),
    OpSpec("Dequantize", same(f"{ACT} s32 i32", "3 4"), ("quantized_decomposed.dequantize_per_tensor.default",)),
)
