"""Embeddings that are joined bag by bag (``embedding_bag``), as a product: :func:`joined_bags`."""

from __future__ import annotations

import torch
from torch.fx import Node

__all__ = ["joined_bags", "joins_bags"]

aten = torch.ops.aten
_MEAN, _MAX = 1, 2
"""How an ``embedding_bag`` joins its rows, where it does not add them up."""


def joins_bags(node: Node) -> bool:
    """An ``embedding_bag`` of which only the result is read; ExecuTorch's passes raise on it (1.5.1)."""
    if node.target is not aten.embedding_bag.padding_idx:
        return False
    return all(item.args[1] == 0 for item in node.users if item.users)


def joined_bags(
    weight: torch.Tensor,
    indices: torch.Tensor,
    offsets: torch.Tensor,
    scale_grad: bool,
    mode: int,
    sparse: bool,
    per_row: torch.Tensor | None,
    has_end: bool,
    skipped: int | None,
) -> tuple[torch.Tensor]:
    """Bags as a product: the matrix of which row is in which bag, times the rows. All but ``weight`` as for aten.

    The largest of a bag is that of all rows, those outside counting as the least of all numbers; 0 where it is empty.
    """
    rows = aten.embedding(weight, indices)
    place = torch.arange(indices.shape[0], device=indices.device)
    starts = offsets[:-1] if has_end else offsets
    begun = (place >= starts.unsqueeze(1)).to(rows.dtype)
    ends = offsets[1:].unsqueeze(1)
    ended = (place >= ends).to(rows.dtype)
    inside = begun - (ended if has_end else aten.constant_pad_nd(ended, [0, 0, 0, 1]))
    if skipped is not None:
        inside = inside * (indices != skipped).to(rows.dtype)
    if per_row is not None:
        rows = rows * per_row.unsqueeze(1)
    if mode == _MAX:
        least = rows.amin((0, 1), True).unsqueeze(0)
        largest = torch.where(inside.unsqueeze(2) > 0, rows.unsqueeze(0), least).amax(1)
        return (largest * (inside.sum(1, True) > 0).to(rows.dtype),)
    joined = torch.mm(inside, rows)
    if mode == _MEAN:
        joined = joined / inside.sum(1, True).clamp(1)
    return (joined,)
