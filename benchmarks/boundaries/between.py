"""An op that moves or picks values, between a layer of one width and a layer of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.boundaries.case import Boundary, Named, case

__all__ = ["between"]

_ROWS: dict[str, tuple[int, Callable[..., Any]]] = {
    "view": (4, lambda y: y.view(8, 4)),
    "permute": (4, lambda y: y.permute(1, 0)),
    "view, permute, view": (4, lambda y: y.view(2, 2, 8).permute(1, 0, 2).reshape(8, 4)),
    "slice": (4, lambda y: y[:, 2:6]),
    "split": (4, lambda y: y.split(4, 1)[1]),
    "chunks added": (4, lambda y: torch.add(*y.chunk(2, 1))),
    "unbind": (8, lambda y: torch.stack(y.unbind(0)[1:])),
    "select": (8, lambda y: y.select(0, 1).unsqueeze(0)),
    "top-k": (4, lambda y: torch.topk(y, 4, -1)[0]),
    "sort": (8, lambda y: torch.sort(y, -1)[0]),
    "pad": (10, lambda y: F.pad(y, (1, 1))),
    "expand": (8, lambda y: y.unsqueeze(1).expand(4, 3, 8)),
    "repeat": (16, lambda y: y.repeat(1, 2)),
    "flip": (8, lambda y: y.flip(1)),
    "roll": (8, lambda y: y.roll(2, 1)),
    "index select": (3, lambda y: y[:, [0, 5, 2]]),
    "mean": (8, lambda y: y.mean(0, keepdim=True)),
}
_IMAGES: dict[str, tuple[int, Callable[..., Any]]] = {
    "max pool": (8, lambda y: F.max_pool2d(y, 2)),
    "average pool": (8, lambda y: F.avg_pool2d(y, 2)),
    "adaptive average pool": (8, lambda y: F.adaptive_avg_pool2d(y, 1)),
    "nearest upsampling": (8, lambda y: F.interpolate(y, scale_factor=2.0)),
    "bilinear upsampling": (8, lambda y: F.interpolate(y, scale_factor=2.0, mode="bilinear")),
    "pixel shuffle": (2, lambda y: F.pixel_shuffle(y, 2)),
    "pixel unshuffle": (32, lambda y: F.pixel_unshuffle(y, 2)),
    "channel shuffle": (8, lambda y: y.view(1, 2, 4, 8, 8).transpose(1, 2).reshape(1, 8, 8, 8)),
}


class Rows(nn.Module):
    """A linear layer, ``middle``, and another linear layer."""

    def __init__(self, middle: Callable[..., Any], width: int) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(8, 8), Named(middle), nn.Linear(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One after the other."""
        made: torch.Tensor = self.last(self.middle(self.first(x)))
        return made


class Images(nn.Module):
    """A convolution, ``middle``, and another convolution."""

    def __init__(self, middle: Callable[..., Any], width: int) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Conv2d(3, 8, 3, padding=1), Named(middle), nn.Conv2d(width, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One after the other."""
        made: torch.Tensor = self.last(self.middle(self.first(x)))
        return made


def between() -> Iterator[Boundary]:
    """Every op at the width before it and at the width behind it, up or down in turn."""
    for index, (name, (width, middle)) in enumerate((*_ROWS.items(), *_IMAGES.items())):
        first, last = (8, 16) if index % 2 == 0 else (16, 8)
        for at in (first, last):
            pins = f"module:first={first}a8w module:middle={at}a module:last={last}a8w"
            shape = (4, 8) if name in _ROWS else (1, 3, 8, 8)
            model = Rows if name in _ROWS else Images
            title = f"{name} at {at}, {first} to {last}"
            yield case("between", title, lambda m=model, f=middle, w=width: m(f, w), pins, shape)
