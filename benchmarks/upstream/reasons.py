"""Why a test of ExecuTorch's comes out as it does, where its own message does not say it. By the test's short name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REASONS"]

_ONE_STEP = "One or two steps of the 8-bit output, whose values use few of its 256."
_GARBAGE = (
    "The delegate keeps the buffer in memory of its own, which ExecuTorch never fills with the model's values "
    "(`TensorWrapper::AllocateDataBuffer`): what is read before it is written is chance, so each subtest passes in one "
    "run and fails in the next with either quantizer. Tried on the emulator: in a fresh process, whose memory is 0, "
    "all is right; where that memory held something before, values differ, at the same places with either quantizer. "
    "Those with `skip_mutable_buffer=True`, which `qnnsolve export` sets, are right in both."
)
_TIES = (
    "The chip rounds a float input to its 8 bits with a sixteenth of a step to spare (half precision, "
    "docs/accuracy.md): numbers so near the middle of two steps of that grid may go either way."
)
_BLOCKS = "{} of the 65,536 steps of the output: weights in blocks, which the chip computes so with either quantizer."

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "acos": "Steep at the ends of its range: one step of the 8-bit input is several of the output.",
        "cdist": _ONE_STEP,
        "cdist_forward": _ONE_STEP,
        "conv1d_relu_log_softmax": f"{_ONE_STEP} Log-softmax lies far from the zero that an encoding must hold.",
        "floor_divide": "One whole number off, which is three steps of the 8-bit output, in one place of a hundred: "
        "where the quotient lies less than 0.7 % below the next whole number, which the chip's 8-bit division reaches "
        "(21.85 became 22, 33.77 became 34). Integers are divided on the CPU and equal in every place.",
        "index_copy": _GARBAGE,
        "index_put": _GARBAGE,
        "16a4w_block_conv2d_qat": _BLOCKS.format(750),
        "conv2d_block": _BLOCKS.format(656),
        "linear": "The product of three linear layers, of which each is one or two steps off: sums over 512 inputs, of "
        f"which the chip rounds some the other way. {_TIES} Of inputs on that grid two steps are left.",
        "multi_contexts_composite": "Not against the converted model: the suite compares with the float one, and has "
        "calibrated each part with noise of its own. Against the four converted parts, one behind the other, the error "
        "is 0.00 % with either quantizer.",
        "pow_tensor_scalar": f"The tenth power: one step of the input is up to ten of the output. {_TIES} Of 10,000 "
        "inputs on that grid every output is equal.",
        "remainder": "Four to five steps of the 8-bit output: a division, a floor and a product, each rounded.",
        "softmax": "Two steps of the 8-bit output, whose scale the chip fixes at 1/256.",
        "mha": "Three steps of the 8-bit output, rounding through five ops (docs/op-models.md).",
        "pdist": _ONE_STEP,
        "pdist_forward": _ONE_STEP,
    }
)
