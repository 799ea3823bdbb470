"""The probes of convolutions: kernels even and odd, wide and long, strided, dilated, in groups, and over odd sizes.

What one kernel alone would hide: HTP has code of its own for many of them. All that were measured to be
equal stand together in the tables.
"""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, WEIGHT, as_chosen, bias, u32
from qnnsolve.probe.questions import CaseSpec, Nested, OpSpec

__all__ = ["CONVOLUTIONS", "CONV_SPAN"]

CONV_SPAN = (-0.5, 0.4)
"""The real numbers of a weight."""
_IMAGE, _ROW, _VOLUME = "1x8x8x32", "1x1x16x32", "1x4x8x8x32"


def _conv(
    name: str,
    before: str,
    weight: str,
    *,
    pads: tuple[int, ...] | None = None,
    stride: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    group: int | None = 1,
    codes: str = WEIGHT,
    blocks: int = 2,
) -> CaseSpec:
    """A convolution; ``pads`` are on either side of each dimension, 1 unless told. ``group`` None: a depthwise one."""
    kernel, dims = _sizes(weight)[:-2], weight.count("x") - 1
    pads, stride, dilation = pads or (1,) * dims, stride or (1,) * dims, dilation or (1,) * dims
    each = zip(_sizes(before)[1:-1], kernel, pads, stride, dilation, strict=True)
    after = [(size + 2 * pad - gap * (tap - 1) - 1) // step + 1 for size, tap, pad, step, gap in each]
    params = {"stride": u32(stride), "pad_amount": _either_side(pads), "dilation": u32(dilation)}
    if group is not None:
        params["group"] = u32(group)
    made = case(
        name,
        put(before, ACT),
        static(weight, codes, axis=weight.count("x"), blocks=blocks, span=CONV_SPAN),
        bias(size=_sizes(weight)[-1]),
        out(_shape(before, after, weight), ACT),
        **params,
    )
    wide = "kernel 1x1" if set(kernel) == {1} else "kernel wider"
    named = set(dilation) != {1} and (group is not None or name != "dilated")
    return when(made, f"{wide}, by name" if named else wide)


def _depthwise(name: str, weight: str, before: str = _IMAGE, **more: tuple[int, ...]) -> CaseSpec:
    return _conv(name, before, weight, group=None, **more)  # type: ignore[arg-type]  # all of it is by name


def _transposed(
    name: str,
    weight: str,
    *,
    before: str = "1x4x4x32",
    pads: tuple[int, ...] | None = None,
    stride: tuple[int, ...] | None = None,
    added: tuple[int, ...] | None = None,
    group: int = 1,
) -> CaseSpec:
    """A transposed convolution of stride 2 without padding, unless told; ``added`` are rows of its output alone."""
    kernel, dims = _sizes(weight)[:-2], weight.count("x") - 1
    pads, stride, added = pads or (0,) * dims, stride or (2,) * dims, added or (0,) * dims
    each = zip(_sizes(before)[1:-1], kernel, pads, stride, added, strict=True)
    after = [(size - 1) * step - 2 * pad + tap + more for size, tap, pad, step, more in each]
    channels = _sizes(weight)[-1] * group
    return case(
        name,
        put(before, ACT),
        static(weight, WEIGHT, axis=weight.count("x"), span=CONV_SPAN),
        bias(size=channels),
        out(_shape(before, after, str(channels)), ACT),
        stride=u32(stride),
        pad_amount=_either_side(pads),
        output_padding=u32(added),
        group=u32(group),
    )


def _sizes(shape: str) -> tuple[int, ...]:
    return tuple(map(int, shape.split("x")))


def _either_side(pads: tuple[int, ...]) -> tuple[str, Nested]:
    return u32(tuple((pad, pad) for pad in pads))


def _shape(before: str, sizes: list[int], channels: str) -> str:
    return "x".join(map(str, (_sizes(before)[0], *sizes, _sizes(channels)[-1])))


_NONE = (0, 0)
_LPBQ = (
    _conv("lpbq_8", _IMAGE, "1x1x32x32", pads=_NONE, codes="s4b", blocks=4),
    _conv("lpbq_32", _IMAGE, "1x1x32x32", pads=_NONE, codes="s4b", blocks=1),
    _conv("lpbq_64", "1x8x8x128", "1x1x128x64", pads=_NONE, codes="s4b"),
    _conv("lpbq_out24", _IMAGE, "1x1x32x24", pads=_NONE, codes="s4b"),
)
_IMAGES = (
    _conv("3x3", _IMAGE, "3x3x32x32"),
    _conv("1x1", _IMAGE, "1x1x32x32", pads=_NONE),
    _conv("grouped", _IMAGE, "3x3x16x32", group=2),
    _conv("strided", _IMAGE, "3x3x32x32", stride=(2, 2)),
    _conv("dilated", _IMAGE, "3x3x32x32", pads=(2, 2), dilation=(2, 2)),
    _conv("batch", "2x8x8x32", "3x3x32x32"),
    _conv("conv1d", _ROW, "1x3x32x32", pads=(0, 1)),
    *_LPBQ,
    *as_chosen(
        _conv("1x1_strided", _IMAGE, "1x1x32x32", pads=_NONE, stride=(2, 2)),
        when(_conv("1x1_grouped", _IMAGE, "1x1x8x32", pads=_NONE, group=4), "kernel 1x1, by name"),
        when(_conv("1x1_narrow", "1x7x5x3", "1x1x3x5", pads=_NONE), "kernel 1x1, by name"),
        _conv("1x1_one", "1x1x1x32", "1x1x32x32", pads=_NONE),
        _conv("2x2", _IMAGE, "2x2x32x32", pads=_NONE),
        _conv("4x4", _IMAGE, "4x4x32x32"),
        _conv("5x5", _IMAGE, "5x5x32x32", pads=(2, 2)),
        _conv("7x7_strided", "1x8x8x3", "7x7x3x32", pads=(3, 3), stride=(2, 2)),
        _conv("4x4_beside", _IMAGE, "4x4x32x32", pads=_NONE, stride=(4, 4)),
        _conv("3x3_beside", "1x9x9x32", "3x3x32x32", pads=_NONE, stride=(3, 3)),
        _conv("8x8_whole", _IMAGE, "8x8x32x32", pads=_NONE),
        _conv("1x7", _IMAGE, "1x7x32x32", pads=(0, 3)),
        _conv("4x1_strided", _IMAGE, "4x1x32x32", pads=(1, 0), stride=(2, 1)),
        _conv("narrow", "1x7x5x3", "3x3x3x5"),
        _conv("grouped_8", _IMAGE, "2x2x4x32", pads=_NONE, stride=(2, 2), group=8),
        _conv("conv1d_4", _ROW, "1x4x32x32", pads=(0, 1), stride=(1, 2)),
        when(_conv("long", "1x16x16x32", "9x9x32x32", pads=(4, 4)), "kernel wider, by name"),
        when(_conv("row", _ROW, "1x7x32x32", pads=(0, 3)), "kernel wider, by name"),
        when(_conv("long_row", _ROW, "1x9x32x32", pads=(0, 4)), "kernel wider, by name"),
        _conv("dilated_even", _IMAGE, "2x2x32x32", pads=(1, 1), dilation=(3, 3)),
        _conv("dilated_uneven", _IMAGE, "3x3x32x32", pads=(1, 3), dilation=(1, 3)),
        _conv("dilated_grouped", _IMAGE, "3x3x16x32", pads=(2, 2), dilation=(2, 2), group=2),
        _conv("dilated_strided", _IMAGE, "3x3x32x32", pads=(2, 2), stride=(2, 2), dilation=(2, 2)),
        _conv("dilated_row", _ROW, "1x3x32x32", pads=(0, 4), dilation=(1, 4)),
    ),
)
_DEPTHWISE = (
    _depthwise("3x3", "3x3x1x32"),
    _depthwise("strided", "3x3x1x32", stride=(2, 2)),
    _depthwise("conv1d", "1x3x1x32", _ROW, pads=(0, 1)),
    _depthwise("multiplier", "3x3x1x64"),
)
_TRANSPOSED = (
    _transposed("2x2", "2x2x32x32"),
    _transposed("3x3", "3x3x32x32"),
    when(_transposed("grouped", "2x2x32x16", group=2), "by name"),
)
_VOLUMES = (_conv("3x3x3", _VOLUME, "3x3x3x32x32"),)
_DEEP = "1x2x4x4x32"
_TRANSPOSED_VOLUMES = (_transposed("2x2x2", "2x2x2x32x32", before=_DEEP),)

CONVOLUTIONS = tuple(
    OpSpec(op, cases, ("aten.convolution.default",))
    for op, cases in (
        ("Conv2d", _IMAGES),
        ("DepthWiseConv2d", _DEPTHWISE),
        ("TransposeConv2d", _TRANSPOSED),
        ("Conv3d", _VOLUMES),
        ("TransposeConv3d", _TRANSPOSED_VOLUMES),
    )
)
