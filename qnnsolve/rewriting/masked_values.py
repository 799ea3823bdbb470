"""What of a tensor's values a mask wrote: :func:`masked_from`, :func:`apart_from`."""

from __future__ import annotations

import torch

__all__ = ["ENDLESS", "MASKED_FROM", "apart_from", "masked_from"]

ENDLESS = 1e30
"""No activation is as large. Infinity is, and masks written as the least float32 or bfloat16 are."""
MASKED_FROM = 1000.0
"""Masks lie at -1e4, -65504, -1e9, and no score that is added to one does."""


def masked_from(values: torch.Tensor, level: float) -> float:
    """The largest of ``values`` that is masked, minus infinity where none is.

    What is masked is at most ``-level`` and at least four times as low as what is not: a bias that falls off steadily
    is no mask.
    """
    low = values[values <= -level]
    if not low.numel():
        return -torch.inf
    rest = values[values > -level]
    least = rest.min().clamp(max=-1.0) if rest.numel() else low.new_tensor(-1.0)
    ladder = torch.cat((torch.unique(low.clamp(min=-_FAR)), least.reshape(1)))
    jumps = (ladder[:-1] <= _APART * ladder[1:]).nonzero()
    return float(ladder[jumps.max()]) if jumps.numel() else -torch.inf


def apart_from(values: torch.Tensor, level: float) -> float:
    """The same of ``values`` among which those that are not masked may be low, too: of such, the distance from the
    largest counts. Minus infinity where all are alike."""
    largest = values.max()
    if largest > -level or not bool(largest.isfinite()):
        return masked_from(values, level)
    return float(largest) + masked_from(values - largest, level)


_APART = 4
_FAR = 1e37
"""So many times as much is still a float32."""
