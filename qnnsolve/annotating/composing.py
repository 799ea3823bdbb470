"""Quantizers inside torchao's ``ComposableQuantizer`` get their callback: :func:`pass_callbacks_on`.

torchao 0.18 hands the observers to the outermost quantizer alone, and ``ComposableQuantizer``, which ExecuTorch's
export recipes wrap around every quantizer, does nothing with them. Masks, accumulators and maxima would not be bound,
and nobody would see it.
"""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule
from torchao.quantization.pt2e.quantizer import ComposableQuantizer, Quantizer

__all__ = ["pass_callbacks_on"]


def pass_callbacks_on() -> None:
    """Have ``ComposableQuantizer`` call ``prepare_obs_or_fq_callback`` of each of its quantizers."""
    if ComposableQuantizer.prepare_obs_or_fq_callback is Quantizer.prepare_obs_or_fq_callback:
        ComposableQuantizer.prepare_obs_or_fq_callback = _to_each


def _to_each(self: Any, model: GraphModule, edge_or_node_to_obs_or_fq: dict[Any, Any]) -> None:
    for quantizer in self.quantizers:
        quantizer.prepare_obs_or_fq_callback(model, edge_or_node_to_obs_or_fq)
