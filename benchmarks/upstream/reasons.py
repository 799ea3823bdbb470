"""Why a test of ExecuTorch's comes out as it does, where its own message does not say it. By the test's short name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REASONS"]

_ONE_STEP = "One or two steps of the 8-bit output, whose values use few of its 256."
_GARBAGE = (
    "Tells the delegate to keep the buffer in memory of its own, which starts as garbage on the emulator: what it "
    "reads before it is written is chance, so the test passes in one run and fails in the next with either quantizer."
)

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "acos": "Steep at the ends of its range: one step of the 8-bit input is several of the output.",
        "cdist": _ONE_STEP,
        "cdist_forward": _ONE_STEP,
        "conv1d_relu_log_softmax": f"{_ONE_STEP} Log-softmax lies far from the zero that an encoding must hold.",
        "floor_divide": "Integers are divided on the CPU, exactly; HTP divides in half precision, wrong above 1,000 "
        "(docs/accuracy.md). The test counts one delegate and finds two.",
        "index_copy": _GARBAGE,
        "index_put": _GARBAGE,
        "mha": "Three steps of the 8-bit output, rounding through five ops (docs/op-models.md).",
        "pdist": _ONE_STEP,
        "pdist_forward": _ONE_STEP,
        "var": "The variance of one element with correction 1 is not a number, which integers cannot hold: refused. "
        "QnnQuantizer writes 65535 in place of the infinity by which it is multiplied.",
    }
)
