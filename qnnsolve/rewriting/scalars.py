"""Scalars out of vectors, and sums of products, written otherwise: :data:`SCALARS`.

QNN has no tensors without dimensions: ExecuTorch (``remove_0d_tensor.py``, 1.5.1) drops the choice of one element and
passes on the whole vector. And a product that broadcasts, or one of vectors, is summed wrong where the sum drops its
dimension: the result lies at an end of its range (HTP emulator, QNN 2.51, V68, 16 bits, ranks 1 to 4: -22 to -7 dB; the
forms ``dot`` and ``mv`` of ``benchmarks.sweep``). With the dimension kept, and dropped afterwards, it is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["SCALARS", "reduced"]

aten = torch.ops.aten


def _element(emit: Emitter, node: FxNode) -> FxNode | None:
    """The element as a slice of one."""
    source: Any = node.args[0]
    if source.meta["val"].dim() != 1:
        return None
    place: Any = node.args[2]
    at = place % source.meta["val"].shape[0]
    return emit(aten.reshape.default, emit(aten.slice.Tensor, source, 0, at, at + 1), [])


def reduced(emit: Emitter, target: Any, source: Any, dims: Sequence[int] = (0,)) -> FxNode:
    """``target`` over these dimensions of ``source``, kept first and dropped afterwards."""
    shape, rank = source.meta["val"].shape, source.meta["val"].dim()
    drawn = {dim % rank for dim in dims}
    left = [size for dim, size in enumerate(shape) if dim not in drawn]
    return emit(aten.reshape.default, emit(target, source, list(dims), True), left)


def _over_products(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    dims: Any = node.args[1]
    plain = source.meta["val"].dtype == node.meta["val"].dtype and not node.kwargs
    known = all(isinstance(size, int) for size in source.meta["val"].shape)
    if not (dims and plain and known) or argument(node, 2, "keepdim", False):
        return None
    product = source.target in (aten.mul.Tensor, aten.multiply.Tensor)
    return reduced(emit, node.target, source, dims) if product or source.meta["val"].dim() == 1 else None


SCALARS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.select.int: _element,
        aten.sum.dim_IntList: _over_products,
        aten.mean.dim: _over_products,
    }
)
"""By aten target, what is written instead."""
