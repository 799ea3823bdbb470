"""Resizes, and other ops that move pixels: modes, ratios, corners, shuffles, patches, grids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]

_GRID = Tensor((1, 4, 4, 2), "unit")


def forms() -> Iterator[Form]:
    """Every form of resizes."""
    plain = {"nearest": 0, "nearest-exact": 0, "bilinear": 1, "bicubic": 1}
    ratios: tuple[dict[str, Any], ...] = (
        {"scale_factor": 2},
        {"scale_factor": 0.5},
        {"scale_factor": 1.5},
        {"scale_factor": (2, 3)},
        {"size": (12, 12)},
        {"size": (5, 9)},
    )
    for mode, aligned in plain.items():
        for arguments in ratios:
            for corners in (None, True) if aligned else (None,):
                told = named(**arguments) + (" corners" if corners else "")
                yield call(
                    f"interpolate {mode} {told}",
                    lambda x, mode=mode, corners=corners, arguments=arguments: F.interpolate(
                        x, mode=mode, align_corners=corners, **arguments
                    ),
                    (1, 3, 6, 6),
                )
    yield call("interpolate area", lambda x: F.interpolate(x, size=(3, 3), mode="area"), (1, 3, 6, 6))
    yield call(
        "interpolate antialias", lambda x: F.interpolate(x, size=(3, 3), mode="bilinear", antialias=True), (1, 3, 6, 6)
    )
    for mode in ("nearest", "linear"):
        for factor in (2, 0.5):
            yield call(
                f"interpolate 1d {mode} {named(scale=factor)}",
                lambda x, mode=mode, factor=factor: F.interpolate(x, scale_factor=factor, mode=mode),
                (1, 3, 8),
            )
    for mode in ("nearest", "trilinear"):
        yield call(
            f"interpolate 3d {mode}", lambda x, mode=mode: F.interpolate(x, scale_factor=2, mode=mode), (1, 3, 3, 4, 4)
        )
    yield layer("pixel_shuffle 2", lambda: nn.PixelShuffle(2), (1, 8, 4, 4))
    yield layer("pixel_shuffle 3", lambda: nn.PixelShuffle(3), (1, 9, 4, 4))
    yield layer("pixel_unshuffle 2", lambda: nn.PixelUnshuffle(2), (1, 2, 8, 8))
    yield layer("channel_shuffle 2", lambda: nn.ChannelShuffle(2), (1, 8, 4, 4))
    yield layer("channel_shuffle 4", lambda: nn.ChannelShuffle(4), (1, 8, 4, 4))
    for arguments in (
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (2, 1), "stride": (2, 1)},
    ):
        yield call(
            f"unfold {named(**arguments)}", lambda x, arguments=arguments: F.unfold(x, **arguments), (1, 3, 8, 8)
        )
    yield call("fold k2 s2", lambda x: F.fold(x, (8, 8), 2, stride=2), (1, 12, 16))
    yield call("fold k3 overlapping", lambda x: F.fold(x, (6, 6), 3), (1, 18, 16))
    for mode in ("bilinear", "nearest"):
        for corners in (False, True):
            yield call(
                f"grid_sample {mode} corners{corners}",
                lambda x, grid, mode=mode, corners=corners: F.grid_sample(x, grid, mode=mode, align_corners=corners),
                (1, 3, 6, 6),
                _GRID,
            )
