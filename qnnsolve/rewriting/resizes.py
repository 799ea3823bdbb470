"""Resizes that the accelerator computes wrongly, written as products with matrices or as means: :data:`RESIZES`.

A bicubic one between aligned corners is off by 112 to 119 % of its range (HTP emulator, QNN 2.51, V68 and V79), and
ExecuTorch's runtime (1.5.1) has no kernel for it either. Rows and columns are resized one after the other, each by a
matrix that depends on sizes alone. A bilinear one to half the size is a mean of four values; the accelerator's own is
off by two steps of 8 bits (33.7 dB where the converted model has 39.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["RESIZES"]

aten = torch.ops.aten


def _matrix(before: int, after: int) -> torch.Tensor:
    """``[after, before]``, between aligned corners."""
    rows = torch.eye(before).reshape(before, 1, 1, before)
    wide = torch.nn.functional.interpolate(rows, (1, after), mode="bicubic", align_corners=True)
    return wide.reshape(before, after).t().contiguous()


def _bicubic(emit: Emitter, node: FxNode) -> FxNode | None:
    if not argument(node, 2, "align_corners", False):
        return None
    made: Any = node.args[0]
    before, after = made.meta["val"].shape[-2:], node.meta["val"].shape[-2:]
    for dim in (1, 0):
        matrix = emit.constant("resizing", _matrix(before[dim], after[dim]).to(node.meta["val"].dtype))
        turned = made if dim else emit(aten.permute.default, made, [0, 1, 3, 2])
        product = emit(aten.linear.default, turned, matrix)
        made = product if dim else emit(aten.permute.default, product, [0, 1, 3, 2])
    return made  # type: ignore[no-any-return]  # a node, after two rounds


def _bilinear(emit: Emitter, node: FxNode) -> FxNode | None:
    source: Any = node.args[0]
    before, after = source.meta["val"].shape[-2:], node.meta["val"].shape[-2:]
    if argument(node, 2, "align_corners", False) or list(before) != [2 * size for size in after]:
        return None
    return emit(aten.avg_pool2d.default, source, [2, 2], [2, 2], [0, 0], False, True)


RESIZES: Mapping[Any, Replacement] = MappingProxyType(
    {aten.upsample_bicubic2d.vec: _bicubic, aten.upsample_bilinear2d.vec: _bilinear}
)
"""By aten target, what is written instead."""
