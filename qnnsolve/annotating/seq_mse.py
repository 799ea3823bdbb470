"""ExecuTorch's SeqMSE finds the observers of weights that are made from its own: :func:`take_derived_observers`.

Its ``SeqMseModule`` (1.5.1) looks a weight's observer up by its exact class, and knows two. Ours are made from those.
"""

from __future__ import annotations

from typing import Any

import torch
from executorch.backends.qualcomm._passes.seq_mse import SeqMseModule
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import PerBlockParamObserver

__all__ = ["take_derived_observers"]


def take_derived_observers() -> None:
    """Have ``SeqMseModule`` take every observer of blocks as one, and all others as observers of channels."""
    SeqMseModule._fake_quant = _fake_quant


def _fake_quant(self: Any, scale: torch.Tensor, zero_point: torch.Tensor) -> torch.Tensor:
    per_block = isinstance(self.observer, PerBlockParamObserver)
    found: torch.Tensor = (self._per_block_qdq if per_block else self._per_channel_qdq)(scale, zero_point)
    return found
