"""A stand-in for the SDK's ``backend_opinfo``: the same API, with operators that exercise each field of it.

The enums are of its own making, as the SDK's binding's are: they compare equal to nobody else's.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

MODULE = "qti.aisw.converters.common.backend_opinfo"


class Dtype(enum.Enum):
    QNN_DATATYPE_UFIXED_POINT_8 = 0x408
    QNN_DATATYPE_UFIXED_POINT_16 = 0x416
    QNN_DATATYPE_SFIXED_POINT_8 = 0x308
    QNN_DATATYPE_SFIXED_POINT_32 = 0x332
    QNN_DATATYPE_FLOAT_32 = 0x232
    QNN_DATATYPE_INT_32 = 0x32
    QNN_DATATYPE_INT_64 = 0x64


class EncodingType(enum.Enum):
    QNN_QUANTIZATION_ENCODING_SCALE_OFFSET = 0
    QNN_QUANTIZATION_ENCODING_AXIS_SCALE_OFFSET = 1
    QNN_QUANTIZATION_ENCODING_BW_AXIS_SCALE_OFFSET = 3
    QNN_QUANTIZATION_ENCODING_BLOCKWISE_EXPANSION = 5


@attrs.frozen
class Constraint:
    encoding_types: tuple[EncodingType, ...]
    symmetric: bool | None = None
    axis: tuple[int, ...] | None = None
    invariant: bool | None = None
    scale: float | None = None
    offset: int | None = None

    def get_encoding_types(self) -> Sequence[EncodingType]:
        return self.encoding_types

    def is_symmetric(self) -> bool | None:
        return self.symmetric

    def get_axis(self) -> tuple[int, ...] | None:
        return self.axis

    def is_math_invariant(self) -> bool | None:
        return self.invariant

    def get_scale(self) -> float | None:
        return self.scale

    def get_offset(self) -> int | None:
        return self.offset


@attrs.frozen
class Port:
    dtype: Dtype
    constraints: tuple[Constraint, ...] = ()
    onward: bool | None = None

    def get_datatype(self) -> Dtype:
        return self.dtype

    def get_quant_constraint_info(self) -> Sequence[Constraint]:
        return self.constraints

    def is_applicable_from_current_dtype_onward(self) -> bool | None:
        return self.onward


@attrs.frozen
class Variant:
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def get_input_info(self) -> Sequence[Port]:
        return self.inputs

    def get_output_info(self) -> Sequence[Port]:
        return self.outputs


PLAIN, AXIS = (
    EncodingType.QNN_QUANTIZATION_ENCODING_SCALE_OFFSET,
    EncodingType.QNN_QUANTIZATION_ENCODING_AXIS_SCALE_OFFSET,
)
NARROW_AXIS = EncodingType.QNN_QUANTIZATION_ENCODING_BW_AXIS_SCALE_OFFSET
BLOCK = EncodingType.QNN_QUANTIZATION_ENCODING_BLOCKWISE_EXPANSION
DTYPES = {
    "u8": Dtype.QNN_DATATYPE_UFIXED_POINT_8,
    "u16": Dtype.QNN_DATATYPE_UFIXED_POINT_16,
    "s8": Dtype.QNN_DATATYPE_SFIXED_POINT_8,
    "s32": Dtype.QNN_DATATYPE_SFIXED_POINT_32,
    "f32": Dtype.QNN_DATATYPE_FLOAT_32,
    "i32": Dtype.QNN_DATATYPE_INT_32,
    "i64": Dtype.QNN_DATATYPE_INT_64,
}


def port(dtype: str, *constraints: Constraint, onward: bool | None = None) -> Port:
    asked = constraints or ((Constraint((PLAIN,)),) if dtype[0] in "us" else ())
    return Port(DTYPES[dtype], asked, onward)


U8, U16 = port("u8"), port("u16")
FIXED = port("u8", Constraint((PLAIN,), scale=0.00390625, offset=0))
CENTRED = port("u16", Constraint((PLAIN,), scale=0.000030517578125, offset=-32768))
WEIGHT = port(
    "s8",
    Constraint((AXIS,), symmetric=True, axis=(3,)),
    Constraint((NARROW_AXIS, BLOCK), symmetric=True, axis=(3,)),
)
BIAS = port("s32", Constraint((PLAIN, AXIS), symmetric=True))
SHARED = port("u8", Constraint((PLAIN,), symmetric=False, invariant=True))
OPEN = port("u8", Constraint((PLAIN,), symmetric=False, invariant=False))

OPERATORS: dict[str, list[Variant]] = {
    "Conv2d": [Variant((U8, WEIGHT, BIAS), (U8,)), Variant((U16, WEIGHT, BIAS), (U16,))],
    "Relu": [Variant((U8,), (U8,)), Variant((U16,), (U16,)), Variant((port("f32"),), (port("f32"),))],
    "Sigmoid": [Variant((U8,), (FIXED,))],
    "Tanh": [Variant((U16,), (CENTRED,))],
    "Reshape": [Variant((U8,), (SHARED,))],
    "Elu": [Variant((U8,), (OPEN,))],
    "MatMul": [Variant((U16, port("u16", Constraint((PLAIN,), symmetric=True))), (U16,))],
    "Concat": [Variant((port("u8", onward=True),), (U8,))],
    "Gather": [Variant((U8, port("i32")), (U8,)), Variant((U8, port("i64")), (U8,))],
    "Split": [Variant((U8,), (port("u8", onward=True),))],
    "Custom": [Variant((port("i32"), port("u8", onward=True)), (U8,)), Variant((port("i32"), U16), (U8,))],
    "TopK": [Variant((U8,), (U8, port("i32")))],
    "ElementWiseNeuron": [Variant((Port(DTYPES["u8"]),), (Port(DTYPES["u8"]),))],
}


def install(
    patch: pytest.MonkeyPatch, operators: dict[str, list[Variant]] = OPERATORS, fails: str = ""
) -> list[tuple[object, object]]:
    """Put the stand-in into ``sys.modules``; every (backend, SoC) that is asked for is appended to the answer."""
    asked: list[tuple[object, object]] = []

    class BackendOpInfo:
        def __init__(self, backend: object, soc_model: Any) -> None:
            if fails:
                raise RuntimeError(fails)
            asked.append((backend, soc_model.name))

        def get_all_supported_ops(self) -> list[str]:
            return list(operators)

        def get_op_info(self, op: str) -> list[Variant]:
            return operators[op]

    names = MODULE.split(".")
    for depth in range(1, len(names)):
        patch.setitem(sys.modules, ".".join(names[:depth]), types.ModuleType(names[depth - 1]))
    module = types.ModuleType(MODULE)
    vars(module).update(BackendOpInfo=BackendOpInfo, HTP="the HTP backend", LPAI="the LPAI backend")
    patch.setitem(sys.modules, MODULE, module)
    return asked
