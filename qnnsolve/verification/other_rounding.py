"""What the emulator may have rounded otherwise than torch: :func:`otherwise_rounded`.

It rounds what an op yields otherwise than torch, and what the next op reads otherwise than what is put out. Measured
(QNN 2.51, V79, 8 bits): the first LayerNorm of the ViT computes 7 of 768 values of a row as if it had read them a step
lower than the output shows. That row deviates by 1.4 steps, so a step of the input is 19 steps of the output. LayerNorm
itself is at most 2 steps off where its inputs are known, however little a row deviates (``python -m
benchmarks.layer_norms``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.fx import Node

from qnnsolve.verification.quantized_nodes import is_dequantize

__all__ = ["ROUNDED_APART", "on_grid", "otherwise_rounded"]

ROUNDED_APART = 1 / 3
"""The share of values that are a step off. Measured (QNN 2.51, V79, 8 bits): from its own inputs the emulator rounds
33 % of the values of MiniLM's ``gelu`` otherwise than torch (``python -m benchmarks.local_error``)."""


def otherwise_rounded(every: Sequence[Node], values: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """``values`` by tap, :data:`ROUNDED_APART` of them a step off, within their encodings; the same ones for a seed."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, torch.Tensor] = {}
    for tap in every:
        if tap.name in values:
            value, scale = values[tap.name], float(tap.args[1])  # type: ignore[arg-type]  # torchao writes numbers
            drawn = torch.rand(value.shape, generator=generator)
            steps = (drawn < ROUNDED_APART / 2).to(value.dtype) - (drawn > 1 - ROUNDED_APART / 2).to(value.dtype)
            found[tap.name] = on_grid(tap, value + steps * scale)
    return found


def on_grid(tap: Node, value: torch.Tensor) -> torch.Tensor:
    """``value`` as ``tap`` quantizes it, which changes what the compiler left unquantized alone: an input that it hands
    on as an output."""
    reader = next(user for user in tap.users if is_dequantize(user))
    assert callable(tap.target) and callable(reader.target)
    found: torch.Tensor = reader.target(tap.target(value, *tap.args[1:]), *reader.args[1:], **reader.kwargs)
    return found
