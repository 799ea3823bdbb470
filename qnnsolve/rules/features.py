"""What the cases of the tables tell tensors by: :func:`rank_of`, :func:`kernel_of`."""

from __future__ import annotations

from collections.abc import Iterable

from qnnsolve.facts.forms import Kernel
from qnnsolve.facts.graph import TensorFact

__all__ = ["kernel_of", "rank_of"]


def rank_of(tensors: Iterable[TensorFact | None]) -> int | None:
    """The largest rank; a scalar becomes a tensor of one element."""
    return max((max(len(tensor.shape), 1) for tensor in tensors if tensor is not None), default=None)


def kernel_of(tensor: TensorFact | None) -> Kernel | None:
    """Over how many positions a weight goes, whose channels come first; None where it has channels only."""
    positions = () if tensor is None else tensor.shape[2:]
    return None if not positions else Kernel.POINT if set(positions) == {1} else Kernel.WIDER
