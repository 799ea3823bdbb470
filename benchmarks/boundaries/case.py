"""A model in which two precisions meet: what is asked for where, and what it is built from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import nn

from benchmarks.sweep.form import Form, Tensor, layer

__all__ = ["ROWS", "Boundary", "Named", "Pair", "case"]

ROWS = (4, 8)
"""The shape of most inputs."""


@attrs.frozen(eq=False)
class Boundary:
    """``form`` with ``pins`` (``WHERE=WHAT``) over the preset ``precision``; ``family`` is its part of the table."""

    family: str
    form: Form
    pins: tuple[str, ...]
    precision: str = "8a8w"

    @property
    def name(self) -> str:
        """Unique."""
        return self.form.name


class Named(nn.Module):
    """A function as a module, so that it has a path to be named by."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The function of the inputs."""
        return self.function(*inputs)


class Pair(nn.Module):
    """Two linear layers, ``left`` and ``right``, of one or two inputs, and ``join`` of what comes out of them."""

    def __init__(self, join: Callable[..., Any], width: int = 8) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(8, width), nn.Linear(8, width)
        self.join = Named(join)

    def forward(self, x: torch.Tensor, y: torch.Tensor, *others: torch.Tensor) -> Any:
        """The join of both, and of the other inputs behind them."""
        return self.join(self.left(x), self.right(y), *others)


def case(
    family: str,
    name: str,
    build: Callable[..., nn.Module],
    pins: str,
    *inputs: tuple[int, ...] | Tensor,
    precision: str = "8a8w",
) -> Boundary:
    """A case; ``pins`` with spaces between, no inputs mean one of :data:`ROWS`."""
    return Boundary(family, layer(name, build, *(inputs or (ROWS,))), tuple(pins.split()), precision)
