"""Ops of every kind right behind a convert: a layer at 8 bits, and the op at 16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.boundaries.case import Boundary, Named, case

__all__ = ["behind"]

_ROWS: dict[str, Callable[..., Any]] = {
    "softmax": lambda: nn.Softmax(-1),
    "log-softmax": lambda: nn.LogSoftmax(-1),
    "layer norm": lambda: nn.LayerNorm(8),
    "root mean square norm": lambda: nn.RMSNorm(8),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hard swish": nn.Hardswish,
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "sum": lambda: Named(lambda y: y.sum(-1)),
    "variance": lambda: Named(lambda y: y.var(-1)),
    "largest": lambda: Named(lambda y: y.amax(-1)),
    "largest with its place": lambda: Named(lambda y: y.max(-1)[0]),
    "cumulative sum": lambda: Named(lambda y: y.cumsum(-1)),
    "square": lambda: Named(lambda y: y * y),
    "power": lambda: Named(lambda y: y.abs().pow(1.5)),
    "reciprocal": lambda: Named(lambda y: 1 / (y.abs() + 1)),
    "square root": lambda: Named(lambda y: y.abs().sqrt()),
    "clamp": lambda: Named(lambda y: y.clamp(-0.3, 0.4)),
    "gather": lambda: Named(lambda y: y.gather(1, torch.tensor([[1, 0], [3, 2], [5, 4], [7, 6]]))),
    "masked fill": lambda: Named(lambda y: y.masked_fill(torch.eye(4, 8) > 0, 0.5)),
    "products with itself": lambda: Named(lambda y: y @ y.t()),
    "einsum": lambda: Named(lambda y: torch.einsum("ij,kj->ik", y, y)),
    "distances": lambda: Named(lambda y: torch.cdist(y, y + 1)),
    "glu": lambda: nn.GLU(-1),
    "linear of rank 3": lambda: nn.Sequential(nn.Unflatten(0, (2, 2)), nn.Linear(8, 4)),
    "two readers": lambda: Named(lambda y: (y * 0.5, y + 0.5)),
}
_IMAGES: dict[str, Callable[..., Any]] = {
    "group norm": lambda: nn.GroupNorm(2, 8),
    "instance norm": lambda: nn.InstanceNorm2d(8, affine=True),
    "prelu": lambda: nn.PReLU(8),
    "depthwise convolution": lambda: nn.Conv2d(8, 8, 3, groups=8),
    "transposed convolution": lambda: nn.ConvTranspose2d(8, 4, 2, stride=2),
    "convolution over one dimension": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(8, 4, 3)),
    "bicubic upsampling": lambda: nn.Upsample(scale_factor=2, mode="bicubic"),
    "reflection pad": lambda: nn.ReflectionPad2d(1),
    "unfold": lambda: nn.Unfold(2, stride=2),
    "largest pool with places": lambda: Named(lambda y: F.max_pool2d(y, 2, return_indices=True)[0]),
    "adaptive largest pool": lambda: nn.AdaptiveMaxPool2d(2),
}


class After(nn.Module):
    """A linear layer or a convolution, and the op."""

    def __init__(self, first: nn.Module, op: nn.Module) -> None:
        super().__init__()
        self.first, self.op = first, op

    def forward(self, x: torch.Tensor) -> Any:
        """The op of what the layer makes."""
        return self.op(self.first(x))


def behind() -> Iterator[Boundary]:
    """All of them."""
    pins = "module:first=8a8w module:op=16a"
    for name, op in _ROWS.items():
        yield case("behind", f"{name} at 16, after 8", lambda op=op: After(nn.Linear(8, 8), op()), pins)
    for name, op in _IMAGES.items():
        build = lambda op=op: After(nn.Conv2d(3, 8, 3, padding=1), op())  # noqa: E731
        yield case("behind", f"{name} at 16, after 8", build, pins, (1, 3, 8, 8))
    fold = lambda: After(nn.Linear(8, 8), nn.Fold((4, 8), 2, stride=2))  # noqa: E731
    yield case("behind", "fold at 16, after 8", fold, pins, (1, 4, 8))
