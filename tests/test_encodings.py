"""An encoding and its short name say the same."""

from __future__ import annotations

import attrs
import pytest

from qnnsolve.encodings import BOOL, FLOAT, FP16, INT32, DType, Encoding
from qnnsolve.rules.request import PRECISIONS, U8_SYMMETRIC, U16_SYMMETRIC, Request, Role

REQUESTS = [attrs.evolve(Request.of(each), symmetric=which) for each in PRECISIONS.values() for which in (False, True)]
REACHED = {e for each in REQUESTS for role in Role for rank in (2, 4) for e in each.reach(role, rank, 0)}
FIXED = [
    attrs.evolve(Encoding.affine(DType.UINT8), scale=1 / 256, zero_point=0),
    attrs.evolve(Encoding.affine(DType.UINT16), scale=1.5e-05, zero_point=32768),
    attrs.evolve(Encoding.affine(DType.UINT8), scale=1 / 3),
    attrs.evolve(Encoding.affine(DType.INT8), scale=0.1, zero_point=-128),
]
NARROWED = [
    attrs.evolve(Encoding.symmetric(DType.INT8, 8), quant_min=-128),
    attrs.evolve(Encoding.affine(DType.UINT8), quant_max=254, scale=0.5, zero_point=127),
    attrs.evolve(Encoding.symmetric(DType.INT16, 16, 0), quant_min=-32768),
    attrs.evolve(Encoding.affine(DType.UINT8), quant_max=100),
]
OTHERS = [BOOL, FLOAT, FP16, INT32, U8_SYMMETRIC, U16_SYMMETRIC, Encoding.symmetric(DType.INT8, 2, 1), *FIXED]


def test_every_encoding_that_can_be_asked_for_is_found_again_by_its_name() -> None:
    assert len(REACHED) > 15
    for encoding in (*REACHED, *OTHERS, *NARROWED):
        assert Encoding.of_name(encoding.name) == encoding


def test_two_encodings_over_different_ranges_have_different_names() -> None:
    for encoding in NARROWED:
        assert f"[{encoding.quant_min}..{encoding.quant_max}]" in encoding.name
    assert "[" not in "".join(encoding.name for encoding in (*REACHED, *OTHERS))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "u",
        "u7",
        "u32",
        "s8/ch",
        "s8sym",
        "u8/ch0",
        "s4/block@0",
        "u8=x:1",
        "float ",
        "s8=:",
        "u8[0..255]",
        "s8[5..3]",
    ],
)
def test_what_is_no_name_of_an_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no encoding is called|does not fit"):
        Encoding.of_name(name)
