"""Tensors without values: what a solve can do with, and a run cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qnnsolve.errors import UnsupportedGraphError

if TYPE_CHECKING:
    import torch

__all__ = ["check_values", "has_values", "holds_nan", "lacking", "without_values"]


def has_values(tensor: torch.Tensor) -> bool:
    """False on the meta device, and of a fake tensor: only shape and dtype are known."""
    from torch._subclasses import FakeTensor

    return not tensor.is_meta and not isinstance(tensor, FakeTensor)


def check_values(model: torch.nn.Module, needed: bool) -> None:
    """Refuse weights that are not dense, and those without values where they are ``needed``.

    Raises:
        UnsupportedGraphError: names the first.
    """
    import torch

    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if needed and not has_values(value):
            raise UnsupportedGraphError(name, f"{_where(value)}: it has no values")
        if value.layout is not torch.strided:
            raise UnsupportedGraphError(name, "is no dense tensor")


def lacking(example: torch.Tensor, needed: bool) -> str | None:
    """Why a model cannot be run on ``example``, or traced with it where no values are ``needed``; or None."""
    import torch

    if needed and not has_values(example):
        return f"{_where(example)}: it has no values"
    if example.layout is not torch.strided or example.is_quantized:
        return "is no dense tensor of plain numbers"
    if not example.numel():
        return "holds no values"
    return "holds NaN" if holds_nan(example) else None


def holds_nan(tensor: torch.Tensor) -> bool:
    """Whether one of its values is known to be NaN."""
    return tensor.is_floating_point() and has_values(tensor) and bool(tensor.isnan().any())


def without_values(model: torch.nn.Module, examples: tuple[Any, ...]) -> tuple[Any, ...]:
    """``examples``, on the meta device where the weights of ``model`` are: torch traces none across devices."""
    import torch
    from torch.utils import _pytree as pytree

    if not any(value.is_meta for value in (*model.parameters(), *model.buffers())):
        return examples
    moved: tuple[Any, ...] = pytree.tree_map(
        lambda leaf: leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf, examples
    )
    return moved


def _where(tensor: torch.Tensor) -> str:
    return "is on the meta device" if tensor.is_meta else "is a fake tensor"
