"""Softmaxes over a dimension in the middle, with that dimension put last; of vectors, as of one row: :data:`SOFTMAXES`.

ExecuTorch (1.5.1, ``builders/op_softmax.py``) builds them over the last dimension, or over the channels, which the
accelerator holds last.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement

__all__ = ["SOFTMAXES"]

aten = torch.ops.aten
_LOGS = (aten.log_softmax.int, aten._log_softmax.default)
"""Those that the accelerator has for matrices and up alone."""


def _softmax(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    dim: Any = node.args[1]
    rank = source.meta["val"].dim()
    if rank == 1 and node.target in _LOGS:
        rows = emit(node.target, emit(aten.unsqueeze.default, source, 0), 1, *node.args[2:], **node.kwargs)
        return emit(aten.squeeze.dim, rows, 0)
    if rank < 2 or dim % rank == rank - 1 or (rank > 2 and dim % rank == 1):
        return None
    moved = emit(aten.transpose.int, source, dim, -1)
    return emit(aten.transpose.int, emit(node.target, moved, -1, *node.args[2:], **node.kwargs), dim, -1)


SOFTMAXES: Mapping[Any, Replacement] = MappingProxyType(
    dict.fromkeys((aten.softmax.int, aten._softmax.default, *_LOGS), _softmax)
)
"""By aten target, what is written instead."""
