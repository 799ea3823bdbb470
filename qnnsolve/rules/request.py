"""What is asked for at one node, as encodings: per role of a tensor, the one requested and the ones in reach."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from qnnsolve.encodings import FLOAT, FP16, DType, Encoding, QScheme
from qnnsolve.errors import UnknownNameError

__all__ = ["PRECISIONS", "Granularity", "Precision", "Request", "Role", "precision"]


class Role(enum.Enum):
    """What a float tensor is to the node that reads it. ``OUTPUT`` of a node is an ``ACTIVATION``."""

    ACTIVATION = "activation"
    OPERAND = "second operand of a matrix product"
    WEIGHT = "weight"
    NORM = "normalization weight"
    BIAS = "bias"


@attrs.frozen
class Precision:
    """A preset of ExecuTorch's ``QuantDtype``: bits of activations (0: half precision) and of weights."""

    name: str
    activation_bits: int
    weight_bits: int
    per_block: bool = False

    @property
    def fp16(self) -> bool:
        """True where activations are computed in half precision."""
        return self.activation_bits == 0


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Precision("8a8w", 8, 8),
            Precision("8a4w", 8, 4),
            Precision("16a2w", 16, 2),
            Precision("16a4w", 16, 4),
            Precision("16a4w_block", 16, 4, per_block=True),
            Precision("16a8w", 16, 8),
            Precision("16a16w", 16, 16),
            Precision("fp16a8w", 0, 8),
        )
    }
)
"""Every preset of ExecuTorch 1.5.1's ``QuantDtype``."""


def precision(name: str) -> Precision:
    """The preset of that name.

    Raises:
        UnknownNameError: there is none; names the nearest.
    """
    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, PRECISIONS)
    return PRECISIONS[name]


_U8, _U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
_S8, _S16 = Encoding.symmetric(DType.INT8, 8), Encoding.symmetric(DType.INT16, 16)
_S4 = Encoding.symmetric(DType.INT8, 4)
_S32 = Encoding.symmetric(DType.INT32, 32)
U8_SYMMETRIC = Encoding(DType.UINT8, QScheme.PER_TENSOR_SYMMETRIC, 0, 255)
U16_SYMMETRIC = Encoding(DType.UINT16, QScheme.PER_TENSOR_SYMMETRIC, 0, 65535)
"""The zero point is the middle of the range: 128, and 32768."""


class Granularity(enum.Enum):
    """How many scales a weight has: one, one per output channel, or one per block of input channels."""

    TENSOR = "tensor"
    CHANNEL = "channel"
    BLOCK = "block"


@attrs.frozen(cache_hash=True)
class Request:
    """What is asked for at one node: bits of activations (0: half precision) and of weights, and how they are scaled.

    ``symmetric``: the zero point of activations is the middle of their range. ``block_size`` has one size, in elements
    along the input channels, or one per dimension; it counts where the granularity is :attr:`Granularity.BLOCK`.
    """

    activation_bits: int
    weight_bits: int
    granularity: Granularity = Granularity.CHANNEL
    block_size: tuple[int, ...] = (32,)
    symmetric: bool = False

    @classmethod
    def of(cls, preset: Precision, block_size: int = 32) -> Request:
        """What a preset asks for: one scale per channel, or per block where it says so."""
        granularity = Granularity.BLOCK if preset.per_block else Granularity.CHANNEL
        return cls(preset.activation_bits, preset.weight_bits, granularity, (block_size,))

    @property
    def name(self) -> str:
        """The nearest preset's name: ``16a8w``, ``16a4w_block``."""
        width = f"{self.activation_bits}" if self.activation_bits else "fp16"
        return f"{width}a{self.weight_bits}w{'_block' if self.granularity is Granularity.BLOCK else ''}"

    @property
    def fp16(self) -> bool:
        """True where activations are computed in half precision."""
        return self.activation_bits == 0

    @property
    def activation(self) -> Encoding:
        """The encoding asked for at every activation."""
        affine, symmetric = {0: (FP16, FP16), 8: (_U8, U8_SYMMETRIC), 16: (_U16, U16_SYMMETRIC)}[self.activation_bits]
        return symmetric if self.symmetric else affine

    @property
    def asked_of_norm_bias(self) -> Encoding:
        """The encoding asked for at the bias of a normalization: one scale, which nothing derives."""
        return FP16 if self.fp16 else _S32

    def asked(self, role: Role, rank: int = 2, ch_axis: int = 0) -> Encoding:
        """The encoding asked for at a tensor of this role; weights also have a rank and a channel axis.

        What ExecuTorch's own presets ask for with per-channel convolutions and linears (``qconfig.py``,
        ``htp_rules.py``, 1.5.1): a normalization weight is as wide as the activations, and the second operand of
        a 16-bit matrix product is signed. Blocks are asked for even where they do not fit (``QC009``).
        """
        match role:
            case Role.ACTIVATION:
                return self.activation
            case Role.OPERAND:
                return _S16 if self.activation_bits == 16 else self.activation
            case Role.NORM:
                return {0: FP16, 8: _U8, 16: _S16}[self.activation_bits]
            case Role.BIAS:
                return FP16 if self.fp16 else Encoding.symmetric(DType.INT32, 32, ch_axis=0)
            case Role.WEIGHT:
                block = self._block(rank, ch_axis)
                axis = None if self.granularity is Granularity.TENSOR else ch_axis
                return Encoding.symmetric(_storage(self.weight_bits), self.weight_bits, axis, block)

    def reach(self, role: Role, rank: int = 2, ch_axis: int = 0) -> tuple[Encoding, ...]:
        """All encodings that the solver may choose from at such a tensor, sorted; ``float`` is one of them."""
        fp16 = (FP16,) if self.fp16 else ()
        activations = () if self.fp16 else (_U8, _U16)
        match role:
            case Role.ACTIVATION:
                reach = [*activations, self.activation]
            case Role.OPERAND:
                reach = [*activations, self.activation, *(() if self.fp16 else (_S8, _S16))]
            case Role.NORM:
                reach = [] if self.fp16 else [_U8, _S8, _U16, _S16]
            case Role.BIAS:
                reach = [_S32, Encoding.symmetric(DType.INT32, 32, ch_axis=0)]
            case Role.WEIGHT:
                per_channel = [Encoding.symmetric(_storage(bits), bits, ch_axis) for bits in (4, 8, 16)]
                reach = [_S4, _S8, _S16, *per_channel, self.asked(role, rank, ch_axis)]
        return tuple(sorted({FLOAT, *fp16, *reach}))

    def _block(self, rank: int, ch_axis: int) -> tuple[int, ...] | None:
        """Block sizes per dimension of a weight; None where no blocks are asked for, or a weight has no input channels.

        Blocks run along the input channels, the first axis that is not ``ch_axis``.
        """
        if self.granularity is not Granularity.BLOCK or rank < 2:
            return None
        if len(self.block_size) == rank:
            return self.block_size
        if len(self.block_size) > 1:
            return None
        block = [1] * rank
        block[1 if ch_axis == 0 else 0] = self.block_size[0]
        return tuple(block)


def _storage(bits: int) -> DType:
    return DType.INT16 if bits == 16 else DType.INT8
