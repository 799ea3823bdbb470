"""Poolings: kernels, strides, paddings, rounding up, what is counted, ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, call, layer, named

__all__ = ["forms"]

_SIZES = {1: (18,), 2: (12, 13), 3: (6, 8, 7)}
_LARGEST: dict[int, Callable[..., nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE: dict[int, Callable[..., nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}

_WINDOWS: tuple[dict[str, Any], ...] = (
    *({"kernel_size": size} for size in (1, 2, 3, 4)),
    *({"kernel_size": 3, "stride": step} for step in (1, 2)),
    {"kernel_size": 2, "stride": 1},
    {"kernel_size": 2, "stride": 3},
    *({"kernel_size": 3, "stride": step, "padding": 1} for step in (1, 2)),
    {"kernel_size": 2, "padding": 1},
    *({"kernel_size": 3, "stride": 2, "ceil_mode": True, "padding": amount} for amount in (0, 1)),
)
_IMAGES: tuple[dict[str, Any], ...] = (
    *({"kernel_size": size} for size in ((1, 2), (2, 1), (3, 2), (4, 2), (2, 4), 5, 6, (6, 4))),
    {"kernel_size": 4, "stride": 2},
    {"kernel_size": 4, "stride": (4, 2)},
    {"kernel_size": 5, "stride": 1, "padding": 2},
    {"kernel_size": 3, "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": (12, 13)},
)


def _window(kinds: dict[int, Callable[..., nn.Module]], rank: int, arguments: dict[str, Any], name: str) -> Form:
    told = named(**{key.removesuffix("_size"): value for key, value in arguments.items()})
    return layer(f"{name}{rank}d {told}", lambda: kinds[rank](**arguments), (1, 4, *_SIZES[rank]))


def _adaptive() -> Iterator[Form]:
    kinds: dict[str, dict[int, Callable[..., nn.Module]]] = {
        "avg": {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d},
        "max": {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d},
    }
    for word, by_rank in kinds.items():
        for rank, into in (
            (1, 1),
            (1, 6),
            (1, 7),
            (2, 1),
            (2, 2),
            (2, 3),
            (2, 5),
            (2, (1, 2)),
            (2, (6, 3)),
            (3, 1),
            (3, 2),
        ):
            size = {1: (18,), 2: (12, 12), 3: (4, 8, 6)}[rank]
            yield layer(
                f"adaptive_{word}_pool{rank}d {named(to=into)}",
                lambda made=by_rank[rank], into=into: made(into),
                (1, 4, *size),
            )
    yield layer("adaptive_avg_pool2d toNonex1", lambda: nn.AdaptiveAvgPool2d((None, 1)), (1, 4, 12, 12))


def _others() -> Iterator[Form]:
    for rank in (1, 2, 3):
        yield layer(f"max_pool{rank}d unbatched", lambda rank=rank: _LARGEST[rank](2), (4, *_SIZES[rank]))
        yield layer(f"avg_pool{rank}d unbatched", lambda rank=rank: _AVERAGE[rank](2), (4, *_SIZES[rank]))
    yield layer("max_pool2d dilation2", lambda: nn.MaxPool2d(3, 1, dilation=2), (1, 4, 12, 13))
    yield layer("max_pool2d indices", lambda: nn.MaxPool2d(2, return_indices=True), (1, 4, 12, 12))
    yield layer("max_pool2d batch 3", lambda: nn.MaxPool2d(2), (3, 4, 8, 8))
    for counted in (True, False):
        yield layer(
            f"avg_pool2d padding1 counted{counted}",
            lambda counted=counted: nn.AvgPool2d(3, 2, 1, count_include_pad=counted),
            (1, 4, 12, 12),
        )
        yield layer(
            f"avg_pool1d padding1 counted{counted}",
            lambda counted=counted: nn.AvgPool1d(3, 2, 1, count_include_pad=counted),
            (1, 4, 12),
        )
    for divisor in (1, 3, 4):
        yield layer(
            f"avg_pool2d divisor{divisor}",
            lambda divisor=divisor: nn.AvgPool2d(2, divisor_override=divisor),
            (1, 4, 8, 8),
        )
    yield layer("lp_pool2d", lambda: nn.LPPool2d(2, 2), (1, 4, 8, 8))
    yield layer(
        "conv2d relu max_pool2d",
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        (1, 3, 14, 14),
    )
    yield layer(
        "conv2d relu avg_pool2d k4",
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(4)),
        (1, 3, 18, 18),
    )
    yield call("max_pool2d functional stride none", lambda x: F.max_pool2d(x, 2), (1, 4, 8, 8))
    yield call("avg_pool2d whole", lambda x: F.avg_pool2d(x, x.shape[-2:]), (1, 4, 8, 8))


def forms() -> Iterator[Form]:
    """Every form of poolings."""
    for kinds, name in ((_LARGEST, "max_pool"), (_AVERAGE, "avg_pool")):
        for rank in (1, 2, 3):
            for arguments in _WINDOWS:
                if torch.tensor(arguments["kernel_size"]).min() // 2 >= arguments.get("padding", 0):
                    yield _window(kinds, rank, arguments, name)
        for arguments in _IMAGES:
            yield _window(kinds, 2, arguments, name)
    yield from _adaptive()
    yield from _others()
