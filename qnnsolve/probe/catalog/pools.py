"""The probes of pooling: regions even and odd, side by side and overlapping, padded, and over the edge."""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, when
from qnnsolve.probe.catalog.parts import ACT, FALSE, TRUE, u32
from qnnsolve.probe.questions import CaseSpec, Check, OpSpec

__all__ = ["POOLS"]


def _pool(
    name: str,
    before: str,
    kernel: tuple[int, ...],
    *,
    stride: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    after_too: bool = True,
    counts: bool | None = None,
    over: bool = False,
) -> CaseSpec:
    """A pool whose regions lie side by side unless a ``stride`` is told.

    ``pads`` are before each dimension, and ``after_too`` unless told otherwise. ``counts`` is whether an average counts
    padding, None for maxima; ``over`` whether the last region may go over the edge.
    """
    stride, pads = stride or kernel, pads or (0,) * len(kernel)
    pairs = tuple((pad, pad if after_too else 0) for pad in pads)
    batch, *sizes, channels = map(int, before.split("x"))
    each = zip(sizes, kernel, stride, pairs, strict=True)
    after = [(size + sum(pad) - tap + (step - 1 if over else 0)) // step + 1 for size, tap, step, pad in each]
    params = {"filter_size": u32(kernel), "stride": u32(stride), "pad_amount": u32(pairs)}
    if counts is not None:
        params["count_pad_for_edges"] = TRUE if counts else FALSE
    if over or len(kernel) == 3:
        params["rounding_mode"] = u32(int(over))
    shape = "x".join(map(str, (batch, *after, channels)))
    return case(name, put(before, ACT), out(shape, ACT), **params)


def _average(name: str, kernel: tuple[int, ...], before: str = "1x8x8x32", **more: tuple[int, ...] | bool) -> CaseSpec:
    return _pool(name, before, kernel, **{"counts": len(kernel) == 2, **more})  # type: ignore[arg-type]  # by name


_ASIDE = "by name"
"""What is wrong in some types or in all, and is written otherwise or not at all
(:mod:`qnnsolve.rules.builders.pooling`)."""

_MAXIMA = (
    _pool("2x2", "1x8x8x32", (2, 2)),
    _pool("3x3", "1x8x8x32", (3, 3), stride=(2, 2), pads=(1, 1), after_too=False),
    _pool("batch", "2x8x8x32", (2, 2)),
    _pool("3x3_beside", "1x9x9x32", (3, 3)),
    _pool("4x4_beside", "1x8x8x32", (4, 4)),
    _pool("8x8_whole", "1x8x8x32", (8, 8)),
    _pool("2x2_dense", "1x8x8x32", (2, 2), stride=(1, 1)),
    _pool("4x4_strided", "1x8x8x32", (4, 4), stride=(2, 2)),
    _pool("5x5_dense", "1x8x8x32", (5, 5), stride=(1, 1)),
    _pool("1x4", "1x1x16x32", (1, 4), stride=(1, 2)),
    _pool("1x1_apart", "1x8x8x32", (1, 1), stride=(2, 2)),
    _pool("narrow", "1x7x5x3", (3, 2), stride=(2, 1)),
    _pool("over_2x2", "1x7x7x32", (2, 2), over=True),
    _pool("over_3x3", "1x8x8x32", (3, 3), stride=(2, 2), over=True),
)
_AVERAGES = (
    _average("2x2", (2, 2)),
    _average("global", (8, 8)),
    _average("batch", (2, 2), "2x8x8x32"),
    _average("3x3_beside", (3, 3), "1x9x9x32"),
    _average("5x5_beside", (5, 5), "1x10x10x32"),
    _average("4x3_beside", (4, 3), "1x8x9x32"),
    _average("2x4_beside", (2, 4)),
    _average("8x1_beside", (8, 1), "1x16x4x32"),
    _average("1x4_beside", (1, 4), "1x1x16x32"),
    _average("4x8_row", (4, 8)),
    _average("3x3_dense", (3, 3), stride=(1, 1)),
    _average("4x4_strided", (4, 4), stride=(2, 2)),
    _average("6x6_strided", (6, 6), "1x12x12x32", stride=(3, 3)),
    _average("2x2_apart", (2, 2), stride=(3, 3)),
    _average("narrow", (3, 2), "1x7x5x3", stride=(2, 1)),
    _average("3x3_padded", (3, 3), stride=(2, 2), pads=(1, 1)),
    _average("4x4_padded", (4, 4), stride=(2, 2), pads=(1, 1)),
    _average("3x3_uncounted", (3, 3), stride=(2, 2), pads=(1, 1), counts=False),
    when(_average("uncounted_beside", (2, 2), pads=(1, 1), counts=False), _ASIDE),
    when(_average("counted_beside", (2, 2), pads=(1, 1)), _ASIDE),
    when(_average("3x3_padded_beside", (3, 3), "1x9x9x32", pads=(1, 1)), _ASIDE),
    when(_average("4x4_beside", (4, 4)), _ASIDE),
    when(_average("4x6_beside", (4, 6), "1x8x12x32"), _ASIDE),
    when(_average("over_2x2", (2, 2), "1x7x7x32", over=True), _ASIDE),
    when(_average("over_3x3", (3, 3), stride=(2, 2), over=True), _ASIDE),
)
_VOLUME = "1x4x8x8x32"
_OVER_VOLUMES = (
    _average("2x2x2", (2, 2, 2), _VOLUME),
    _average("global", (4, 8, 8), _VOLUME),
    _average("3x3x3_dense", (3, 3, 3), _VOLUME, stride=(1, 1, 1)),
    _average("4x4x4_beside", (4, 4, 4), "1x8x8x8x32"),
    _average("4x2x2_strided", (4, 2, 2), _VOLUME, stride=(2, 1, 1)),
    _average("1x3x3_beside", (1, 3, 3), "1x4x9x9x32"),
    _average("narrow", (2, 3, 2), "1x5x7x6x3", stride=(1, 2, 2)),
    _average("3x3x3_uncounted", (3, 3, 3), _VOLUME, stride=(2, 2, 2), pads=(1, 1, 1)),
    when(_average("3x3x3_counted", (3, 3, 3), _VOLUME, stride=(2, 2, 2), pads=(1, 1, 1), counts=True), _ASIDE),
    when(_average("1x4x4_beside", (1, 4, 4), _VOLUME), _ASIDE),
    when(_average("over_2x2x2", (2, 2, 2), "1x3x7x7x32", over=True), _ASIDE),
)

POOLS = (
    OpSpec("PoolMax2d", _MAXIMA, ("aten.max_pool2d.default",), check=Check.MOVES),
    OpSpec("PoolAvg2d", _AVERAGES, ("aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default")),
    OpSpec("PoolAvg3d", _OVER_VOLUMES, ("aten.avg_pool3d.default", "aten.adaptive_avg_pool3d.default")),
)
