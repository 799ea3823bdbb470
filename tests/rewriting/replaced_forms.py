"""Forms of the ops that `sorting`, `channels`, `copies`, `indices` and `transposed` write otherwise, by target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["FORMS", "STAYING"]

aten = torch.ops.aten
X = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
Y = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(1))
FEW = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(2))
SLOPES = torch.tensor([0.1, 0.2, 0.3, 0.4])

Form = tuple[Callable[..., Any], tuple[torch.Tensor, ...]]


def _transposed(call: Any, dims: int) -> Form:
    """Depthwise, with dilation, and with two rows more than the kernel gives."""
    kernel = torch.randn(4, 1, *[3] * dims, generator=torch.Generator().manual_seed(3))
    given = torch.randn(1, 4, *[5] * dims, generator=torch.Generator().manual_seed(4))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(kernel)

        def forward(self, x: torch.Tensor) -> Any:
            return call(x, self.kernel, None, 3, 1, 2, 4, 2)

    return Model(), (given,)


class _Put(nn.Module):
    """``x[:, [[0, 3], [-1, 2]]] = values``, with indices from the back and in two dimensions."""

    places: torch.Tensor

    def __init__(self, adds: bool) -> None:
        super().__init__()
        self.register_buffer("places", torch.tensor([[0, 3], [-1, 2]]))
        self.adds = adds

    def forward(self, x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        if self.adds:
            return x.clone().index_put_((self.places,), values, True)
        return torch.index_put(x, (self.places,), values)


class _Index(nn.Module):
    places: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.tensor([0, -1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.places]


class _Slopes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slopes = nn.Parameter(SLOPES.clone())

    def forward(self, x: torch.Tensor) -> Any:
        return nn.functional.prelu(x, self.slopes)


def _same_convolution(call: Any, dims: int) -> Form:
    """Of an even kernel, padded by name."""
    kernel = torch.randn(3, 4, *[2] * dims, generator=torch.Generator().manual_seed(5))
    given = torch.randn(1, 4, *[5] * dims, generator=torch.Generator().manual_seed(6))
    return lambda x, kernel: call(x, kernel, None, 1, "same", 3), (given, kernel)


class _Deep(nn.Module):
    """Taps that are apart in depth and in rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3, (3, 2, 2), (1, 2, 1), (2, 0, 1), (2, 2, 1))

    def forward(self, x: torch.Tensor) -> Any:
        return self.conv(x)


class _Doubled(nn.Module):
    """A depthwise convolution that makes two channels of one, with a dimension more behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, (2, 1), (1, 0), (1, 2), groups=4)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.conv(x)
        return torch.cat([y.sigmoid(), y], 2)[:, None] * 2


_BATCH = torch.randn(2, 4, 10, 6, generator=torch.Generator().manual_seed(7))

FORMS: dict[str, Form] = {
    "conv1d.padding": _same_convolution(nn.functional.conv1d, 1),
    "conv2d.default": (_Doubled(), (_BATCH,)),
    "conv2d.padding": _same_convolution(nn.functional.conv2d, 2),
    "conv3d.padding": _same_convolution(nn.functional.conv3d, 3),
    "conv3d.default": (_Deep(), (torch.randn(1, 2, 6, 7, 5),)),
    "group_norm.default": (lambda x: nn.functional.group_norm(x, 2, SLOPES), (X,)),
    "adaptive_avg_pool1d.default": (lambda x: nn.functional.adaptive_avg_pool1d(x, 3), (X,)),
    "adaptive_avg_pool3d.default": (
        lambda x: nn.functional.adaptive_avg_pool3d(x, (3, 4, 3)),
        (_BATCH.reshape(1, 2, 4, 10, 6),),
    ),
    "adaptive_max_pool2d.default": (lambda x: nn.functional.adaptive_max_pool2d(x, (4, 7)), (_BATCH,)),
    "upsample_bicubic2d.vec": (
        lambda x: nn.functional.interpolate(x, (7, 12), mode="bicubic", align_corners=True),
        (_BATCH,),
    ),
    "upsample_bilinear2d.vec": (lambda x: nn.functional.interpolate(x, scale_factor=0.5, mode="bilinear"), (_BATCH,)),
    "to.dtype": (lambda x: (x > 0).long().float(), (X,)),
    "sort.default": (lambda x: tuple(x.sort(1)), (X,)),
    "sort.stable": (lambda x: torch.sort(x, dim=0, stable=True)[0], (X,)),
    "topk.default": (lambda x: tuple(x.topk(3, dim=1, largest=False)), (X,)),
    "argsort.default": (lambda x: torch.argsort(x, 1, True), (X,)),
    "msort.default": (torch.msort, (X,)),
    "kthvalue.default": (lambda x: tuple(torch.kthvalue(x, 3, 1, True)), (X,)),
    "prelu.default": (_Slopes(), (X,)),
    "rrelu.default": (lambda x: nn.functional.rrelu(x, 0.1, 0.4), (X,)),
    "channel_shuffle.default": (lambda x: nn.functional.channel_shuffle(x, 2), (X,)),
    "native_channel_shuffle.default": (lambda x: aten.native_channel_shuffle.default(x, 2), (X,)),
    "alias_copy.default": (lambda x: aten.alias_copy.default(x) + 1, (X,)),
    "detach_copy.default": (lambda x: aten.detach_copy.default(x) + 1, (X,)),
    "expand_copy.default": (lambda x: aten.expand_copy.default(x, [2, 4, 3]), (FEW[:, :1],)),
    "narrow_copy.default": (lambda x: aten.narrow_copy.default(x, 1, 1, 2) + 1, (X,)),
    "permute_copy.default": (lambda x: aten.permute_copy.default(x, [2, 0, 1]), (X,)),
    "select_copy.int": (lambda x: aten.select_copy.int(x, 1, 2), (X,)),
    "slice_copy.Tensor": (lambda x: aten.slice_copy.Tensor(x, 1, 0, 2), (X,)),
    "split_copy.Tensor": (lambda x: aten.split_copy.Tensor(x, 2, 1)[1] + 1, (X,)),
    "squeeze_copy.default": (lambda x: aten.squeeze_copy.default(x), (X[:1],)),
    "squeeze_copy.dim": (lambda x: aten.squeeze_copy.dim(x, 0), (X[:1],)),
    "t_copy.default": (lambda x: aten.t_copy.default(x), (X[0],)),
    "transpose_copy.int": (lambda x: aten.transpose_copy.int(x, 0, 2), (X,)),
    "unbind_copy.int": (lambda x: aten.unbind_copy.int(x, 1)[2] + 1, (X,)),
    "view_copy.default": (lambda x: aten.view_copy.default(x, [8, 8]), (X,)),
    "copy.default": (lambda x, y: aten.copy.default(x, y), (X, Y[0, :1])),
    "fill.Scalar": (lambda x: aten.fill.Scalar(x, 2.0) + x, (X,)),
    "fill.Tensor": (lambda x, y: aten.fill.Tensor(x, y), (X, torch.tensor(0.5))),
    "index.Tensor": (_Index(), (X,)),
    "add.Tensor": (lambda x, y: torch.add(x, y, alpha=2), (X, Y)),
    "sub.Tensor": (lambda x, y: torch.sub(x, y, alpha=0.5), (X, Y)),
    "index_put.default": (_Put(False), (X.reshape(4, 2, 8), torch.ones(2, 2, 2, 8))),
    "index_put_.default": (_Put(True), (X.reshape(4, 2, 8), torch.ones(2, 2, 2, 8))),
    "conv_transpose1d.default": _transposed(nn.functional.conv_transpose1d, 1),
    "conv_transpose2d.input": _transposed(nn.functional.conv_transpose2d, 2),
    "conv_transpose3d.input": _transposed(nn.functional.conv_transpose3d, 3),
}

STAYING = (
    *("sort.default", "topk.default", "prelu.default", "index.Tensor", "index_put.default", "index_put_.default"),
    *("add.Tensor", "sub.Tensor", "conv2d.default", "conv3d.default", "group_norm.default", "to.dtype"),
    *("conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"),
)
"""Targets that the rewritten model still has, with other arguments or in a row of other ops."""
