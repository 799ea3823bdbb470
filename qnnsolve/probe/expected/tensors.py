"""What expectations are computed with: given inputs, channels first and last, padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as functional
from torch import Tensor

from qnnsolve.probe.questions import CaseSpec

__all__ = ["Computation", "Inputs", "channels_first", "channels_last", "given", "of_first", "padded_with", "pointwise"]

Inputs = Sequence[Tensor | None]
Computation = Callable[[Inputs, CaseSpec], tuple[Tensor, ...]]


def given(inputs: Inputs, index: int) -> Tensor:
    """The input that has to be there."""
    found = inputs[index]
    assert found is not None, "the catalog asks for an absent input that this operator needs"
    return found


def pointwise(function: Callable[..., Tensor]) -> Computation:
    """Computes all inputs, and needs no parameter."""

    def compute(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        return (function(*(given(inputs, index) for index in range(len(inputs)))),)

    return compute


def of_first(function: Callable[[Tensor, Mapping[str, Any]], Tensor]) -> Computation:
    """Computes the first input, with the parameters."""

    def compute(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
        return (function(given(inputs, 0), case.values),)

    return compute


def channels_first(x: Tensor) -> Tensor:
    """Channels first."""
    return x.movedim(-1, 1)


def channels_last(x: Tensor) -> Tensor:
    """Channels last."""
    return x.movedim(1, -1)


def padded_with(x: Tensor, pads: Sequence[Sequence[int]], value: float = 0.0) -> Tensor:
    """``x`` with (before, after) elements of ``value`` around it, per axis."""
    flat = [amount for pair in reversed(pads) for amount in pair]
    return functional.pad(x, flat, value=value)
