"""The probes of convolutions: kernels even and odd, wide and long, strided, dilated, in groups, and over odd sizes.

What one kernel alone would hide: HTP has code of its own for many of them. All that were measured to be
equal stand together in the tables.
"""

from __future__ import annotations

from qnnsolve.probe.catalog.notation import case, out, put, static, when
from qnnsolve.probe.catalog.parts import ACT, WEIGHT, alike, as_chosen, bias, u32
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
    return when(made, _over(kernel) if set(dilation) == {1} else f"{_over(kernel)}, by name")


def _over(kernel: tuple[int, ...]) -> str:
    return "kernel 1x1" if set(kernel) == {1} else "kernel wider"


def _depthwise(name: str, weight: str, before: str = _IMAGE, **more: tuple[int, ...] | str) -> CaseSpec:
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
    made = case(
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
    return when(made, _over(kernel))


def _sizes(shape: str) -> tuple[int, ...]:
    return tuple(map(int, shape.split("x")))


def _either_side(pads: tuple[int, ...]) -> tuple[str, Nested]:
    return u32(tuple((pad, pad) for pad in pads))


def _shape(before: str, sizes: list[int], channels: str) -> str:
    return "x".join(map(str, (_sizes(before)[0], *sizes, _sizes(channels)[-1])))


def _named(of: CaseSpec) -> CaseSpec:
    """The case for those nodes only whose builder asks for it."""
    kernel = "" if of.when is None or of.when.kernel is None else f"kernel {of.when.kernel.value}, "
    return when(of, f"{kernel}by name")


def _beside(*cases: CaseSpec) -> tuple[CaseSpec, ...]:
    return alike(*as_chosen(*cases))


_NONE, _NOWHERE = (0, 0), (0, 0, 0)
_OF_8_BITS = "u8 s8 s8c u16 s16 s16c f32 f16"
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
        _named(_conv("1x1_grouped", _IMAGE, "1x1x8x32", pads=_NONE, group=4)),
        _named(_conv("1x1_narrow", "1x7x5x3", "1x1x3x5", pads=_NONE)),
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
        _named(_conv("long", "1x16x16x32", "9x9x32x32", pads=(4, 4))),
        _named(_conv("row", _ROW, "1x7x32x32", pads=(0, 3))),
        _named(_conv("long_row", _ROW, "1x9x32x32", pads=(0, 4))),
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
    *alike(
        _depthwise("dilated", "3x3x1x32", pads=(2, 2), dilation=(2, 2)),
        _depthwise("1x1", "1x1x1x32", pads=_NONE, codes=_OF_8_BITS),  # of fewer bits the compiler dies
    ),
    *_beside(
        _depthwise("2x2", "2x2x1x32", pads=_NONE),
        _depthwise("5x5_strided", "5x5x1x32", pads=(2, 2), stride=(2, 2)),
        _depthwise("narrow", "3x3x1x3", "1x7x5x3"),
        _named(_depthwise("row_strided", "1x4x1x32", _ROW, pads=(0, 1), stride=(1, 2))),
        _named(_depthwise("long", "9x9x1x32", "1x16x16x32", pads=(4, 4))),
        _named(_depthwise("long_row", "1x9x1x32", _ROW, pads=(0, 4))),
        _depthwise("dilated_even", "2x2x1x32", pads=(1, 1), dilation=(3, 3)),
        _depthwise("dilated_strided", "3x3x1x32", pads=(2, 2), stride=(2, 2), dilation=(2, 2)),
        _depthwise("dilated_row", "1x3x1x32", _ROW, pads=(0, 4), dilation=(1, 4)),
    ),
)
_TRANSPOSED = (
    _transposed("2x2", "2x2x32x32"),
    _transposed("3x3", "3x3x32x32"),
    _named(_transposed("grouped", "2x2x32x16", group=2)),
    *_beside(
        _transposed("1x1", "1x1x32x32", stride=(1, 1)),
        _transposed("3x3_added", "3x3x32x32", pads=(1, 1), added=(1, 1)),
        _transposed("4x4_padded", "4x4x32x32", pads=(1, 1)),
        _transposed("narrow", "3x3x3x5", before="1x5x4x3"),
        _transposed("conv1d", "1x4x32x32", before=_ROW, pads=(0, 1), stride=(1, 2)),
        _named(_transposed("long", "9x9x32x32", pads=(4, 4), stride=(1, 1), before="1x8x8x32")),
        _transposed("long_strided", "1x16x32x32", before=_ROW, pads=(0, 4), stride=(1, 8)),
        _named(_transposed("grouped_wider", "3x3x32x8", group=4, pads=(1, 1))),
    ),
)
_VOLUMES = (
    _conv("3x3x3", _VOLUME, "3x3x3x32x32"),
    *_beside(
        _conv("1x1x1", _VOLUME, "1x1x1x32x32", pads=_NOWHERE),
        _conv("strided", _VOLUME, "3x3x3x32x32", stride=(2, 2, 2)),
        _named(_conv("grouped", _VOLUME, "3x3x3x16x32", group=2)),
        _conv("dilated", _VOLUME, "3x3x3x32x32", pads=(1, 2, 2), dilation=(1, 2, 2)),
    ),
)
_DEEP = "1x2x4x4x32"
_TRANSPOSED_VOLUMES = (
    _transposed("2x2x2", "2x2x2x32x32", before=_DEEP),
    *_beside(
        _transposed("1x1x1", "1x1x1x32x32", before=_DEEP, stride=(1, 1, 1)),
        _transposed("3x3x3_added", "3x3x3x32x32", before=_DEEP, pads=(1, 1, 1), added=(1, 1, 1)),
    ),
)

CONVOLUTIONS = tuple(
    OpSpec(op, cases, ("aten.convolution.default",), closed=True)
    for op, cases in (
        ("Conv2d", _IMAGES),
        ("DepthWiseConv2d", _DEPTHWISE),
        ("TransposeConv2d", _TRANSPOSED),
        ("Conv3d", _VOLUMES),
        ("TransposeConv3d", _TRANSPOSED_VOLUMES),
    )
)
