"""What an encoding makes of a tensor, once calibration has found its scale: :class:`Rounding`."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torchao.quantization.quant_primitives import _fake_quantize_affine

from qnnsolve.encodings import Encoding, QScheme

__all__ = ["Rounding"]


@attrs.frozen(eq=False)
class Rounding:
    """An encoding with scale (real units per step) and zero point: one, one per channel, or one per block."""

    encoding: Encoding
    scale: torch.Tensor
    zero_point: torch.Tensor

    @classmethod
    def of(cls, encoding: Encoding, observer: Any) -> Rounding:
        """As ``observer``, which has seen its samples, finds scale and zero point."""
        scale, zero_point = observer.calculate_qparams()
        return cls(encoding, scale.detach().float(), zero_point.detach().to(torch.int32))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The reals that stand for ``x``."""
        low, high = self.encoding.quant_min, self.encoding.quant_max
        assert low is not None and high is not None, "it is quantized"
        match self.encoding.qscheme:
            case QScheme.PER_BLOCK_SYMMETRIC:
                blocks = self.encoding.block_size
                zero = self.zero_point
                rounded = _fake_quantize_affine(x, blocks, self.scale, zero, torch.int8, low, high)
            case QScheme.PER_CHANNEL_SYMMETRIC:
                axis = self.encoding.ch_axis or 0
                rounded = torch.fake_quantize_per_channel_affine(x, self.scale, self.zero_point, axis, low, high)
            case _:
                scale, zero = self.scale.reshape(1), self.zero_point.reshape(1)
                rounded = torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high)
        found: torch.Tensor = rounded
        return found

    def error(self, x: torch.Tensor) -> torch.Tensor:
        """What it is off by; zero where ``x`` is infinite, since such a value is a mask."""
        return torch.nan_to_num(self(x) - x, nan=0.0, posinf=0.0, neginf=0.0)

    def same_steps(self, other: Rounding) -> bool:
        """Whether both make the same of every tensor."""
        return (
            self.encoding == other.encoding
            and self.scale.shape == other.scale.shape
            and bool((self.scale == other.scale).all())
            and bool((self.zero_point == other.zero_point).all())
        )
