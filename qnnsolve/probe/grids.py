"""The encodings of a probe's tensors: from codes to real numbers and back.

A grid is what a tensor's encoding means: real = (code - zero point) * scale, with a scale per channel or per block
where its port code asks for that. Integers, floats and masks mean themselves.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from qnnsolve.probe.questions import TensorPort

__all__ = [
    "BLOCK_SCALE_BITS",
    "NUMPY",
    "PLAIN",
    "Reals",
    "Stored",
    "TensorGrid",
    "bits_of",
    "grid_of",
    "is_quantized",
    "packed",
    "stored_as",
]

Reals = npt.NDArray[np.float64]
Stored = npt.NDArray[Any]
"""Numbers as a tensor holds them."""
PLAIN = {"f32": "FLOAT_32", "f16": "FLOAT_16", "i32": "INT_32", "u32": "UINT_32", "b8": "BOOL_8"}
_SFIXED = {2: "SFIXED_POINT_8", 4: "SFIXED_POINT_8", 8: "SFIXED_POINT_8", 16: "SFIXED_POINT_16", 32: "SFIXED_POINT_32"}
NUMPY: dict[str, Any] = {
    "FLOAT_32": np.float32,
    "FLOAT_16": np.float16,
    "INT_32": np.int32,
    "UINT_32": np.uint32,
    "BOOL_8": np.bool_,
    "UFIXED_POINT_8": np.uint8,
    "UFIXED_POINT_16": np.uint16,
    "SFIXED_POINT_8": np.int8,
    "SFIXED_POINT_16": np.int16,
    "SFIXED_POINT_32": np.int32,
}
_WIDE_BITS = 22
"""What a 32-bit activation is filled to: more than a float32 mantissa cannot be told apart."""
BLOCK_SCALE_BITS = 4


def is_quantized(code: str) -> bool:
    """Whether the port code is that of a quantized tensor."""
    return code not in PLAIN and code != "-"


def bits_of(code: str) -> int:
    """The bits of a quantized port code."""
    return int(code.rstrip("~")[1:].rstrip("bc"))


def stored_as(code: str) -> str:
    """QNN's name of the dtype that holds a tensor of this port code."""
    if code in PLAIN:
        return PLAIN[code]
    return _SFIXED[bits_of(code)] if code[0] == "s" else f"UFIXED_POINT_{bits_of(code)}"


def packed(stored: npt.NDArray[Any], code: str) -> npt.NDArray[Any]:
    """The codes as a static tensor holds them: 4 and 2 bits without their sign bits above, in a byte each."""
    bits = bits_of(code) if is_quantized(code) else 8
    return np.bitwise_and(stored, 2**bits - 1).astype(stored.dtype) if bits < 8 else stored


@attrs.frozen(eq=False)
class TensorGrid:
    """One tensor's encoding.

    ``scale`` is real units per step, broadcastable to the tensor: one number, or one per channel or block already
    spread over the shape. ``channel_scales`` (per channel) and ``block_scales`` (channels x blocks, integers) are what
    has to be declared then. ``low`` and ``high`` are the codes (of floats: the numbers) in use, inclusive.
    """

    code: str
    scale: Reals
    zero_point: int
    low: float
    high: float
    axis: int = 0
    channel_scales: Reals | None = None
    block_scales: npt.NDArray[np.uint8] | None = None

    @property
    def step(self) -> float:
        """The largest step, in real units; 1 for what means itself."""
        return float(np.max(self.scale))

    def real(self, stored: npt.NDArray[Any]) -> Reals:
        """What stored codes mean."""
        values = stored.astype(np.float64)
        return (values - self.zero_point) * self.scale if is_quantized(self.code) else values

    def quantize(self, real: Reals) -> npt.NDArray[Any]:
        """The nearest codes, saturated."""
        kind = NUMPY[stored_as(self.code)]
        if not is_quantized(self.code):
            return real.astype(kind)
        bits = bits_of(self.code)
        low, high = (0, 2**bits - 1) if self.code[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return np.clip(np.round(real / self.scale) + self.zero_point, low, high).astype(kind)


def grid_of(
    port: TensorPort, code: str, span: tuple[float, float], use: tuple[float, float], chance: np.random.Generator
) -> TensorGrid:
    """The encoding that calibration would give ``port`` for reals in ``span``, of which those in ``use`` are drawn.

    A code that ends in ``~`` asks for a zero point in the middle of the range.
    """
    base = code.rstrip("~")
    if base in ("f32", "f16"):
        return TensorGrid(base, np.ones(()), 0, *use)
    if not is_quantized(base):
        return TensorGrid(base, np.ones(()), 0, int(np.ceil(use[0])), int(np.floor(use[1])))
    bits, widest = bits_of(base), max(abs(span[0]), abs(span[1]), 1e-6)
    if base[0] == "s":
        top = 2 ** (min(bits, _WIDE_BITS) - 1) - 1
        scale = float(np.float32(widest / top))
        if base[-1] in "cb":
            return _spread(port, base, scale, top, chance)
        return TensorGrid(base, np.array(scale), 0, *_inside(use, scale, 0, -top, top))
    top = 2**bits - 1
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    if code.endswith("~"):
        scale, zero_point = float(np.float32(widest / 2 ** (bits - 1))), 2 ** (bits - 1)
    else:
        scale = float(np.float32(max(high - low, 1e-6) / top))
        zero_point = int(np.clip(round(-low / scale), 0, top))
    return TensorGrid(base, np.array(scale), zero_point, *_inside(use, scale, zero_point, 0, top))


def _inside(span: tuple[float, float], scale: float, zero_point: int, low: int, high: int) -> tuple[int, int]:
    first = max(low, int(np.ceil(span[0] / scale - 1e-6)) + zero_point)
    return first, max(first, min(high, int(np.floor(span[1] / scale + 1e-6)) + zero_point))


def _spread(port: TensorPort, base: str, scale: float, top: int, chance: np.random.Generator) -> TensorGrid:
    """Scales that differ from channel to channel, for LPBQ from block to block (4/16 to 16/16 of it)."""
    channels = port.shape[port.axis]
    per_channel = (scale * chance.uniform(0.4, 1.0, channels)).astype(np.float32).astype(np.float64)
    view = [1] * len(port.shape)
    view[port.axis] = channels
    if base[-1] == "c":
        return TensorGrid(base, per_channel.reshape(view), 0, -top, top, port.axis, per_channel)
    steps = 2**BLOCK_SCALE_BITS
    inner, count = port.inner_axis, port.blocks_in_use
    blocks = chance.integers(steps // 4, steps + 1, (channels, count)).astype(np.uint8)
    blocks[:, 0] = steps
    repeated = np.repeat(per_channel[:, None] * blocks / steps, port.shape[inner] // count, axis=1)
    view = [1] * len(port.shape)
    view[port.axis], view[inner] = channels, port.shape[inner]
    spread = repeated if port.axis < inner else repeated.T
    return TensorGrid(base, spread.reshape(view), 0, -top, top, port.axis, per_channel / steps, blocks)
