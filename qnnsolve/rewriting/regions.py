"""Means and maxima over regions of several sizes (adaptive pooling), one dimension and one region after the other.

ExecuTorch (1.5.1) builds adaptive poolings over regions of one size only, and takes a maximum over others for one of
those: off by 78 % of its range. A region's rows are all as long, so that a mean over them is one of means.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["over_regions"]

aten = torch.ops.aten
_MOST = 64
"""Regions along all dimensions together, at most: each is two ops."""


def over_regions(emit: Emitter, target: Any, source: FxNode, after: list[int]) -> FxNode | None:
    """``target`` (``mean.dim`` or ``amax``) over as many regions of the last dimensions as ``after`` says, if few.

    None where all regions of each dimension are alike, or where they are too many.
    """
    before = list(source.meta["val"].shape[-len(after) :])
    if not any(size % parts for size, parts in zip(before, after, strict=True)) or sum(after) > _MOST:
        return None
    made = source
    for dim, (size, parts) in enumerate(zip(before, after, strict=True), -len(after)):
        if parts != size:
            made = _along(emit, target, made, dim, size, parts)
    return made


def _along(emit: Emitter, target: Any, source: FxNode, dim: int, size: int, parts: int) -> FxNode:
    """Where each region begins and ends is torch's own definition."""
    found = []
    for part in range(parts):
        start, end = part * size // parts, -(-(part + 1) * size // parts)
        cut = emit(aten.slice.Tensor, source, dim, start, end) if end - start < size else source
        found.append(emit(target, cut, [dim], True) if end - start > 1 else cut)
    return emit(aten.cat.default, found, dim) if parts > 1 else found[0]
