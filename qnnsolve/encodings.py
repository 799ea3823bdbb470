"""What a tensor may look like at a site: :class:`Encoding`, and its short name.

An encoding is what the backend sees: dtype, range, scheme and granularity, and the scale and zero point
only where the backend fixes them. What calibration finds is not part of it.

Words: torchao's (``qscheme``, ``quant_min``, ``zero_point``, ``ch_axis``, ``block_size``). ExecuTorch converts to QNN's
``offset = -zero_point`` when it lowers.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from functools import cached_property

import attrs

__all__ = ["BOOL", "FLOAT", "FP16", "INT32", "DType", "Encoding", "QScheme"]


class DType(enum.Enum):
    """Storage dtype of a tensor as the backend declares it. 4-bit and 2-bit weights live in ``INT8``."""

    UINT8 = "uint8"
    INT8 = "int8"
    UINT16 = "uint16"
    INT16 = "int16"
    INT32 = "int32"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BOOL = "bool"

    @property
    def is_float(self) -> bool:
        """True for both float dtypes."""
        return self in (DType.FLOAT32, DType.FLOAT16)


class QScheme(enum.Enum):
    """How integers map to reals. ``NONE``: they do not (floats, indices, masks)."""

    NONE = "none"
    PER_TENSOR_AFFINE = "per_tensor_affine"
    PER_TENSOR_SYMMETRIC = "per_tensor_symmetric"
    PER_CHANNEL_SYMMETRIC = "per_channel_symmetric"
    PER_BLOCK_SYMMETRIC = "per_block_symmetric"

    @property
    def is_symmetric(self) -> bool:
        """True where the zero point is the middle of the range."""
        return self.value.endswith("symmetric")


_NAME = re.compile(
    r"(?P<sign>[su])(?P<bits>\d{1,2})(?:/ch(?P<channel>\d)|/block(?P<sizes>\d+(?:x\d+)*)@(?P<axis>\d)|(?P<other>sym|aff))?"
    r"(?:\[(?P<low>-?\d{1,10})\.\.(?P<high>-?\d{1,10})\])?"
    r"(?:=(?P<fixed>[0-9.e+-]*:(?:-?\d+)?))?"
)
"""What :attr:`Encoding.name` writes of a quantized one."""

_RANGE = {
    DType.UINT8: (0, 255),
    DType.INT8: (-128, 127),
    DType.UINT16: (0, 65535),
    DType.INT16: (-32768, 32767),
    DType.INT32: (-(2**31), 2**31 - 1),
}


def _narrow(bits: int) -> tuple[int, int]:
    """The range of a symmetric signed encoding."""
    high = 2 ** (bits - 1) - 1
    return -high - 1 if bits in (2, 32) else -high, high


def _storage(bits: int, signed: bool) -> DType | None:
    """The smallest dtype with so many bits."""
    sizes = (DType.INT8, DType.INT16, DType.INT32) if signed else (DType.UINT8, DType.UINT16)
    return next((each for each, size in zip(sizes, (8, 16, 32), strict=False) if 2 <= bits <= size), None)


def _non_negative(_: object, attribute: attrs.Attribute[int | None], value: int | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{attribute.name} must not be negative, got {value}")


@attrs.frozen(cache_hash=True, order=False)
class Encoding:
    """One way to represent a tensor.

    ``quant_min``/``quant_max`` are inclusive. ``ch_axis`` counts from 0 and is set for per-channel and
    per-block schemes; ``block_size`` has one entry per dimension. ``scale`` (real units per step) and
    ``zero_point`` are set only where the backend fixes them.

    Raises:
        ValueError: a combination that no backend can mean (a range outside the dtype, a channel axis on a
            per-tensor scheme, a zero point on an unquantized tensor ...).
    """

    dtype: DType
    qscheme: QScheme = QScheme.NONE
    quant_min: int | None = None
    quant_max: int | None = None
    ch_axis: int | None = attrs.field(default=None, validator=_non_negative)
    block_size: tuple[int, ...] | None = None
    scale: float | None = None
    zero_point: int | None = None

    def __attrs_post_init__(self) -> None:
        ranged = self.quant_min is not None and self.quant_max is not None
        if (self.qscheme is QScheme.NONE) == ranged:
            raise ValueError(f"{self.dtype.value} with scheme {self.qscheme.value} and range {self.range}")
        if ranged:
            low, high = _RANGE.get(self.dtype, (0, -1))
            assert self.quant_min is not None and self.quant_max is not None
            if not low <= self.quant_min < self.quant_max <= high:
                raise ValueError(f"range {self.range} does not fit {self.dtype.value}")
        if self.qscheme is QScheme.NONE and (self.scale is not None or self.zero_point is not None):
            raise ValueError("an unquantized tensor has no scale or zero point")
        if (self.ch_axis is not None) != (self.qscheme in (QScheme.PER_CHANNEL_SYMMETRIC, QScheme.PER_BLOCK_SYMMETRIC)):
            raise ValueError(f"ch_axis {self.ch_axis} does not go with {self.qscheme.value}")
        if (self.block_size is not None) != (self.qscheme is QScheme.PER_BLOCK_SYMMETRIC):
            raise ValueError(f"block_size {self.block_size} does not go with {self.qscheme.value}")

    @property
    def free(self) -> Encoding:
        """This, without the scale and zero point that the backend may fix."""
        return self if self.scale is None else attrs.evolve(self, scale=None, zero_point=None)

    @property
    def range(self) -> tuple[int | None, int | None]:
        """``(quant_min, quant_max)``, inclusive."""
        return self.quant_min, self.quant_max

    @property
    def quantized(self) -> bool:
        """True where integers stand for reals."""
        return self.qscheme is not QScheme.NONE

    @property
    def bits(self) -> int:
        """Width in bits: of the range where quantized (so 4 for -7..7 in int8), else of the dtype."""
        if self.quant_min is None or self.quant_max is None:
            return {DType.BOOL: 8, DType.FLOAT16: 16}.get(self.dtype, 32)
        return (self.quant_max - self.quant_min).bit_length()

    @cached_property
    def name(self) -> str:
        """Short, unique, sortable: ``u16``, ``s8/ch0``, ``s4/block1x32@0``, ``u8=0.00390625:0``, ``float``.

        A range that is not the usual one of its width is in it: ``s8[-128..127]``.
        """
        if self == FLOAT:
            return "float"
        if not self.quantized:
            return {DType.FLOAT16: "fp16", DType.BOOL: "bool"}.get(self.dtype, self.dtype.value)
        signed = self.dtype not in (DType.UINT8, DType.UINT16)
        text = f"{'s' if signed else 'u'}{self.bits}"
        if self.qscheme is QScheme.PER_CHANNEL_SYMMETRIC:
            text += f"/ch{self.ch_axis}"
        elif self.qscheme is QScheme.PER_BLOCK_SYMMETRIC:
            assert self.block_size is not None
            text += f"/block{'x'.join(map(str, self.block_size))}@{self.ch_axis}"
        elif self.qscheme.is_symmetric != signed:
            text += "sym" if self.qscheme.is_symmetric else "aff"
        if self.range != self._usual_range:
            text += f"[{self.quant_min}..{self.quant_max}]"
        if self.scale is not None or self.zero_point is not None:
            fixed = (self.scale, self.zero_point)
            text += "=" + ":".join("" if value is None else repr(value) for value in fixed)
        return text

    @property
    def _usual_range(self) -> tuple[int, int]:
        if self.dtype in (DType.UINT8, DType.UINT16) or not self.qscheme.is_symmetric:
            return _RANGE[self.dtype]
        return _narrow(self.bits)

    def __str__(self) -> str:
        return self.name

    def __lt__(self, other: Encoding) -> bool:
        return self.sort_key < other.sort_key

    @property
    def sort_key(self) -> tuple[object, ...]:
        """A total order that depends on nothing but the fields."""
        return (self.name, self.quant_min or 0, self.quant_max or 0)

    @classmethod
    def of_name(cls, name: str) -> Encoding:
        """The encoding that has this :attr:`name`.

        Raises:
            ValueError: no encoding is called so.
        """
        for plain in (FLOAT, FP16, INT32, BOOL):
            if name == plain.name:
                return plain
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"no encoding is called '{name}'")
        bits = int(match["bits"])
        sizes = None if match["sizes"] is None else tuple(map(int, match["sizes"].split("x")))
        axis = match["channel"] or match["axis"]
        signed = match["sign"] == "s"
        storage = _storage(bits, signed)
        if storage is None or (axis is not None and not signed):
            raise ValueError(f"no encoding is called '{name}'")
        if signed and match["other"] is None:
            found = cls.symmetric(storage, bits, None if axis is None else int(axis), sizes)
        else:
            found = cls.affine(storage)
            if match["other"] == "sym":
                found = attrs.evolve(found, qscheme=QScheme.PER_TENSOR_SYMMETRIC)
        if match["low"] is not None:
            found = attrs.evolve(found, quant_min=int(match["low"]), quant_max=int(match["high"]))
        if match["fixed"] is not None:
            scale, _, zero = match["fixed"].partition(":")
            given = (float(scale) if scale else None, int(zero) if zero else None)
            found = attrs.evolve(found, scale=given[0], zero_point=given[1])
        if found.name != name:
            raise ValueError(f"no encoding is called '{name}', but '{found.name}'")
        return found

    @classmethod
    def affine(cls, dtype: DType) -> Encoding:
        """Per-tensor affine over the whole range of ``dtype``."""
        low, high = _RANGE[dtype]
        return cls(dtype, QScheme.PER_TENSOR_AFFINE, low, high)

    @classmethod
    def symmetric(
        cls,
        dtype: DType,
        bits: int,
        ch_axis: int | None = None,
        block_size: Iterable[int] | None = None,
    ) -> Encoding:
        """Signed symmetric, ``-(2**(bits-1)-1) .. 2**(bits-1)-1``; 2 bits use ``-2..1``, 32 the whole range.

        The narrow range is what ExecuTorch's ``qconfig.py`` (1.5.1) asks for at 4, 8 and 16 bits.
        """
        low, high = _narrow(bits)
        scheme = QScheme.PER_TENSOR_SYMMETRIC if ch_axis is None else QScheme.PER_CHANNEL_SYMMETRIC
        blocks = None if block_size is None else tuple(block_size)
        if blocks is not None:
            scheme = QScheme.PER_BLOCK_SYMMETRIC
        return cls(dtype, scheme, low, high, ch_axis=ch_axis, block_size=blocks)


FLOAT = Encoding(DType.FLOAT32)
"""Not quantized: the tensor stays float32, and a node that has it on an activation stays on the CPU."""
FP16 = Encoding(DType.FLOAT16)
"""Computed in half precision on the accelerator."""
INT32 = Encoding(DType.INT32)
"""Integers that mean themselves (indices, positions); int64 becomes this on the chip."""
BOOL = Encoding(DType.BOOL)
"""Masks."""
