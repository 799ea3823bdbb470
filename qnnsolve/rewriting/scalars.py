"""What makes a scalar out of a vector, written otherwise: :data:`SCALARS`.

QNN has no tensors without dimensions. ExecuTorch (``remove_0d_tensor.py``, 1.5.1) drops the choice of one element and
passes on the whole vector; and the sum of a product of two vectors comes out at an end of its range where it drops the
one dimension that there is (HTP emulator, QNN 2.51, V68, 16 bits: the form ``dot`` of ``benchmarks.sweep``). A vector
of one element that is given no dimensions afterwards is right.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def reduced(emit: Emitter, target: Any, source: Any) -> FxNode:
    """``target`` over the one dimension of ``source``, kept first and dropped afterwards."""
    return emit(aten.reshape.default, emit(target, source, [0], True), [])


def _over_vector(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    plain = source.meta["val"].dtype == node.meta["val"].dtype and not node.kwargs
    if source.meta["val"].dim() != 1 or argument(node, 2, "keepdim", False) or not plain:
        return None
    return reduced(emit, node.target, source)


SCALARS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.select.int: _element,
        aten.sum.dim_IntList: _over_vector,
        aten.mean.dim: _over_vector,
    }
)
"""By aten target, what is written instead."""
