"""Normalizations: ranks, dimensions, with and without weights, folded and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, call, layer

__all__ = ["forms"]

_IMAGES = {1: (2, 8, 10), 2: (1, 8, 6, 5), 3: (1, 8, 3, 4, 5)}


def forms() -> Iterator[Form]:
    """Every form of norms."""
    batch: dict[int, Callable[..., nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    instance: dict[int, Callable[..., nn.Module]] = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
    for rank, shape in _IMAGES.items():
        for affine in (True, False):
            yield layer(
                f"batch_norm{rank}d affine{affine}",
                lambda made=batch[rank], affine=affine: made(8, affine=affine),
                shape,
            )
            yield layer(
                f"instance_norm{rank}d affine{affine}",
                lambda made=instance[rank], affine=affine: made(8, affine=affine),
                shape,
            )
        for groups in (1, 2, 8):
            yield layer(
                f"group_norm groups{groups} rank{rank + 2}", lambda groups=groups: nn.GroupNorm(groups, 8), shape
            )
        yield layer(
            f"relu batch_norm{rank}d conv", lambda made=batch[rank]: nn.Sequential(nn.ReLU(), made(8), nn.SiLU()), shape
        )
    yield layer("batch_norm1d rank2", lambda: nn.BatchNorm1d(8), (3, 8))
    yield layer("batch_norm2d eps", lambda: nn.BatchNorm2d(8, eps=0.1), _IMAGES[2])
    yield layer(
        "instance_norm2d tracked", lambda: nn.InstanceNorm2d(8, affine=True, track_running_stats=True), _IMAGES[2]
    )
    yield layer("instance_norm2d unbatched", lambda: nn.InstanceNorm2d(8), _IMAGES[2][1:])
    yield layer("group_norm rank2", lambda: nn.GroupNorm(2, 8), (3, 8))
    yield layer("group_norm not affine", lambda: nn.GroupNorm(2, 8, affine=False), _IMAGES[2])
    for shape in ((8,), (3, 8), (2, 3, 8), (1, 2, 3, 8), (1, 2, 2, 3, 8)):
        for affine in (True, False):
            yield layer(
                f"layer_norm rank{len(shape)} affine{affine}",
                lambda affine=affine: nn.LayerNorm(8, elementwise_affine=affine),
                shape,
            )
        yield layer(f"rms_norm rank{len(shape)}", lambda: nn.RMSNorm(8), shape)
    yield layer("layer_norm no bias", lambda: nn.LayerNorm(8, bias=False), (2, 3, 8))
    yield layer("layer_norm eps", lambda: nn.LayerNorm(8, eps=0.1), (2, 3, 8))
    yield layer("layer_norm two dims", lambda: nn.LayerNorm((3, 8)), (2, 3, 8))
    yield layer("layer_norm two dims not affine", lambda: nn.LayerNorm((3, 8), elementwise_affine=False), (2, 3, 8))
    yield layer("layer_norm three dims", lambda: nn.LayerNorm((4, 3, 8)), (1, 4, 3, 8))
    yield layer("rms_norm not affine", lambda: nn.RMSNorm(8, elementwise_affine=False), (2, 3, 8))
    yield layer("rms_norm two dims", lambda: nn.RMSNorm((3, 8)), (2, 3, 8))
    yield layer("rms_norm eps", lambda: nn.RMSNorm(8, eps=0.01), (2, 3, 8))
    yield call(
        "layer_norm channels first", lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2), _IMAGES[2]
    )
    yield call(
        "layer_norm by hand",
        lambda x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt(),
        (2, 3, 8),
    )
    yield call("rms_norm by hand", lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5), (2, 3, 8))
    for dim in (-1, 1, 0):
        yield call(f"normalize dim{dim}", lambda x, dim=dim: F.normalize(x, dim=dim), (2, 3, 8))
    yield call("normalize p1", lambda x: F.normalize(x, p=1.0, dim=-1), (2, 3, 8))
    yield call("normalize image", lambda x: F.normalize(x, dim=1), _IMAGES[2])
    yield layer("local_response_norm", lambda: nn.LocalResponseNorm(3), _IMAGES[2])
    for dim in (-1, 1):
        yield call(
            f"cosine_similarity dim{dim}",
            lambda x, y, dim=dim: F.cosine_similarity(x, y, dim=dim),
            (2, 3, 8),
            (2, 3, 8),
        )
