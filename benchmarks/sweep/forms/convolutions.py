"""Convolutions: kernels, strides, paddings, dilations, groups, biases, ranks, and weights that are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_SIZES = {1: (16,), 2: (9, 10), 3: (5, 6, 6)}
_LAYERS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}

_COMMON: tuple[dict[str, Any], ...] = (
    *({"kernel_size": size} for size in (1, 2, 3, 5)),
    *({"kernel_size": 3, "stride": step} for step in (2, 3)),
    *({"kernel_size": 3, "padding": amount} for amount in (1, 2, "same", "valid")),
    *({"kernel_size": 2, "padding": amount} for amount in (1, "same")),
    *({"kernel_size": 3, "dilation": step} for step in (2,)),
    *({"kernel_size": 3, "dilation": 2, "padding": amount} for amount in (2, "same")),
    *({"kernel_size": 3, "groups": count} for count in (2, 4, 8)),
    *({"kernel_size": 3, "bias": False, "groups": count} for count in (1, 8)),
    {"kernel_size": 3, "groups": 8, "out": 16},
    {"kernel_size": 3, "groups": 2, "stride": 2, "padding": 1},
    {"kernel_size": 3, "groups": 8, "stride": 2, "padding": 1},
    {"kernel_size": 3, "groups": 8, "dilation": 2},
    {"kernel_size": 1, "stride": 2},
    *({"kernel_size": 3, "padding": 1, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
)
_IMAGES: tuple[dict[str, Any], ...] = (
    *({"kernel_size": size} for size in ((1, 3), (3, 1), (2, 3), 4, 7)),
    *({"kernel_size": 3, "stride": step} for step in ((2, 1), (1, 2))),
    *({"kernel_size": 3, "padding": amount} for amount in ((1, 0), (0, 2))),
    *({"kernel_size": 3, "dilation": step} for step in ((1, 2), 3)),
    {"kernel_size": 4, "stride": 4},
    {"kernel_size": (1, 3), "groups": 8},
    {"kernel_size": (3, 1), "dilation": (2, 1), "padding": (2, 0), "groups": 8},
    {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 2},
)
_TRANSPOSES: tuple[dict[str, Any], ...] = (
    *({"kernel_size": size} for size in (1, 2, 3)),
    *({"kernel_size": 2, "stride": step} for step in (2,)),
    *({"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": more} for more in (0, 1)),
    {"kernel_size": 4, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 3},
    {"kernel_size": 3, "dilation": 2},
    *({"kernel_size": 3, "groups": count} for count in (2, 4, 8)),
    {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 2},
    {"kernel_size": 4, "stride": 2, "padding": 1, "groups": 8},
    {"kernel_size": 3, "bias": False},
)


def _sized(rank: int, arguments: dict[str, Any], kinds: dict[int, Callable[..., nn.Module]], name: str) -> Form:
    given = dict(arguments)
    into = given.pop("out", 8)
    told = named(**{key.removesuffix("_size"): value for key, value in arguments.items()})
    return layer(f"{name}{rank}d {told}", lambda: kinds[rank](8, into, **given), (1, 8, *_SIZES[rank]))


def _weights() -> Iterator[Form]:
    normed = torch.nn.utils.parametrizations
    yield layer("conv1d weight_norm", lambda: normed.weight_norm(nn.Conv1d(8, 8, 3)), (1, 8, 16))
    yield layer("conv2d weight_norm", lambda: normed.weight_norm(nn.Conv2d(8, 8, 3)), (1, 8, 9, 9))
    yield layer("conv2d spectral_norm", lambda: normed.spectral_norm(nn.Conv2d(8, 8, 3)), (1, 8, 9, 9))
    yield layer("conv2d orthogonal", lambda: normed.orthogonal(nn.Conv2d(8, 8, 1)), (1, 8, 9, 9))
    kernel, image = Tensor((8, 8, 3, 3)), (1, 8, 9, 9)

    def standardised(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        mean, deviation = w.mean((1, 2, 3), keepdim=True), w.std((1, 2, 3), keepdim=True)
        return F.conv2d(x, (w - mean) / (deviation + 1e-5))

    yield call("conv2d weight standardised", standardised, image, constants=(kernel,))
    yield call("conv2d weight scaled", lambda x, w: F.conv2d(x, w * 0.3), image, constants=(kernel,))
    yield call("conv2d weight shared", lambda x, w: F.conv2d(F.conv2d(x, w), w), image, constants=(kernel,))
    yield call("conv2d weight flipped", lambda x, w: F.conv2d(x, w.flip(2, 3)), image, constants=(kernel,))
    yield call("conv2d weight sliced", lambda x, w: F.conv2d(x, w[:4]), image, constants=(kernel,))
    yield call("conv2d weight sum", lambda x, v, w: F.conv2d(x, v + w), image, constants=(kernel, kernel))
    yield call("conv2d weight computed", lambda x, w: F.conv2d(x, w), image, (4, 8, 3, 3))
    yield call("conv2d bias computed", lambda x, b, w: F.conv2d(x, w, b), image, (8,), constants=(kernel,))
    yield call("conv1d functional bias none", lambda x, w: F.conv1d(x, w), (1, 8, 16), constants=(Tensor((4, 8, 3)),))


def _around() -> Iterator[Form]:
    for rank in (1, 2, 3):
        yield layer(f"conv{rank}d unbatched", lambda rank=rank: _LAYERS[rank](8, 4, 3), (8, *_SIZES[rank]))
        yield layer(f"conv{rank}d batch 2", lambda rank=rank: _LAYERS[rank](8, 4, 3), (2, 8, *_SIZES[rank]))
        yield layer(f"conv{rank}d one channel", lambda rank=rank: _LAYERS[rank](1, 1, 3), (1, 1, *_SIZES[rank]))
        yield layer(
            f"conv_transpose{rank}d unbatched", lambda rank=rank: _TRANSPOSED[rank](8, 4, 3), (8, *_SIZES[rank])
        )
    norms: dict[int, Callable[[int], nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    for rank, norm in norms.items():
        image = (1, 8, *_SIZES[rank])
        yield layer(
            f"conv{rank}d batch_norm relu",
            lambda rank=rank, norm=norm: nn.Sequential(_LAYERS[rank](8, 8, 3), norm(8), nn.ReLU(inplace=True)),
            image,
        )
    yield layer(
        "conv_transpose2d batch_norm",
        lambda: nn.Sequential(nn.ConvTranspose2d(8, 8, 2, 2), nn.BatchNorm2d(8)),
        (1, 8, 9, 9),
    )
    yield layer(
        "conv2d depthwise separable",
        lambda: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU6(), nn.Conv2d(8, 16, 1)),
        (1, 8, 9, 9),
    )


def forms() -> Iterator[Form]:
    """Every form of convolutions."""
    for rank in (1, 2, 3):
        for arguments in _COMMON:
            if rank < 3 or arguments.get("padding_mode") != "reflect":
                yield _sized(rank, arguments, _LAYERS, "conv")
        for arguments in _TRANSPOSES:
            yield _sized(rank, arguments, _TRANSPOSED, "conv_transpose")
    for arguments in _IMAGES:
        yield _sized(2, arguments, _LAYERS, "conv")
    yield from _weights()
    yield from _around()
