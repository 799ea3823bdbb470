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
OTHERS = [BOOL, FLOAT, FP16, INT32, U8_SYMMETRIC, U16_SYMMETRIC, Encoding.symmetric(DType.INT8, 2, 1), *FIXED]


def test_every_encoding_that_can_be_asked_for_is_found_again_by_its_name() -> None:
    assert len(REACHED) > 15
    for encoding in (*REACHED, *OTHERS):
        assert Encoding.of_name(encoding.name) == encoding


@pytest.mark.parametrize(
    "name", ["", "u", "u7", "u32", "s8/ch", "s8sym", "u8/ch0", "s4/block@0", "u8=x:1", "float ", "s8=:"]
)
def test_what_is_no_name_of_an_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no encoding is called"):
        Encoding.of_name(name)
