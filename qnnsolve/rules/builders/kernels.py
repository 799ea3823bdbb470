"""Which case of the tables measures a convolution: what no rank and no constant tells, :func:`case_of`."""

from __future__ import annotations

from collections.abc import Sequence

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.batched import sizes_of
from qnnsolve.rules.builders.types import ref_at, shape_of

__all__ = ["case_of"]

LONGEST = 8
"""Positions over which a kernel goes, from its first tap to its last, beyond which 16 by 16 bits are wrong."""
ROW = 8
"""A row as wide as a multiple of this is wrong in half precision where it is padded by more than that share of it."""
DEPTH = 3
"""Dimensions of a kernel over volumes; of these 16 by 16 bits are nowhere legal."""
CHANNELS = 8
"""Half precision by 8 or 4 bits takes input channels by so many."""


def case_of(name: str, node: Node, graph: Graph, groups: object, dilation: object) -> str | None:
    """The name of the case, None where rank and kernel tell enough. Measured (HTP emulator, QNN 2.51, V68 to V81):
    16-bit weights on 16-bit activations are wrong where taps go over more than 8 positions one by one (``long``). That
    holds for depthwise convolutions (1 to 2 % off) and transposed ones, too. Where taps are apart (``dilated``) Conv2d
    is wrong, and so are some forms of depthwise convolutions. In half precision a sequence whose length is a multiple
    of 8 and does not change is garbage where either side is padded by more than an 8th of the length (``row``): a
    kernel of 7 over 16, of 11 over 32. Half precision takes weights of 8 and 4 bits only in one group of 8, 16, 24 ...
    input channels (``1x1_narrow``).
    """
    shape, before = shape_of(graph, ref_at(node, 1)), shape_of(graph, ref_at(node, 0))
    kernel = shape[2:]
    strides = _spread(node.argument(3, "stride", 1), len(kernel))
    if name.startswith("Transpose"):
        return _transposed(kernel, strides, groups)
    taps = _spread(dilation, len(kernel))
    spans = [_span(size, gap) for size, gap in zip(kernel, taps, strict=True)]
    apart = any(gap != 1 and size != 1 for size, gap in zip(kernel, taps, strict=True))
    if name == "Conv3d":
        return _over_volumes(groups, apart)
    if set(kernel) == {1}:
        narrow = name == "Conv2d" and (groups != 1 or not isinstance(shape[1], int) or shape[1] % CHANNELS != 0)
        return "1x1_narrow" if narrow else None
    long = _is_long(spans, strides)
    if name == "DepthWiseConv2d":
        return _depthwise(kernel, taps, strides, apart, long, _is_flat(before, kernel))
    row = _is_flat(before, kernel) and strides[-1] == 1 and _over_padded(node, before[-1], spans[-1])
    match apart, long, row:
        case True, _, _:
            return "dilated_row" if row else "dilated"
        case _, True, _:
            return "long_row" if row else "long"
        case _:
            return "row" if row else None


def _depthwise(
    kernel: Sequence[int | None],
    taps: Sequence[object],
    strides: Sequence[object],
    apart: bool,
    long: bool,
    flat: bool,
) -> str | None:
    """Half precision has no dilated one with strides (``dilated_strided``), and on V68 none of sequences with strides
    (``row_strided``). The compiler fails at dilated ones with strides whose kernel, taps or strides differ by dimension
    (3x3, taps 2 apart, strides 2x1: QNN 2.51, V79), so that nothing is known of these. Of 16 by 16 bits every long one
    is wrong, and so are those whose taps are three or more apart: 42 dB of 87 (HTP emulator, QNN 2.51, V79: 3x3 and 3x1
    by 3, 2x2 by 5; by 2 they have 53 to 57)."""
    stepping = set(strides) != {1}
    if apart and stepping and any(len(set(each)) > 1 for each in (kernel, taps, strides)):
        return "dilated_strided_uneven"
    if long:  # the strictest of those that may fit
        return "long_strided" if apart and stepping else "long"
    if apart and stepping:
        return "dilated_strided"
    if apart and flat:
        return "dilated_row"
    if apart:
        return "dilated" if set(kernel) == {3} and set(taps) == {2} else "dilated_even"
    return "row_strided" if flat and stepping else None


def _transposed(kernel: Sequence[int | None], strides: Sequence[object], groups: object) -> str | None:
    """In groups weights with a scale per channel are wrong or refused (``grouped``); a long one in groups was not
    measured."""
    long = len(kernel) < DEPTH and _is_long([_span(size, 1) for size in kernel], strides)
    if groups != 1:
        return "grouped_long" if long else "grouped"
    return "long" if long else None


def _over_volumes(groups: object, apart: bool) -> str | None:
    """Nothing is known of one that is both in groups and dilated."""
    if groups != 1:
        return "dilated_grouped" if apart else "grouped"
    return "dilated" if apart else None


def _is_long(spans: Sequence[int], strides: Sequence[object]) -> bool:
    return any(step == 1 and span > LONGEST for span, step in zip(spans, strides, strict=True))


def _span(size: int | None, gap: object) -> int:
    """From the first tap to the last; where it is not known, as if it were long."""
    return (size - 1) * gap + 1 if isinstance(size, int) and isinstance(gap, int) else LONGEST + 1


def _is_flat(before: Sequence[int | None], kernel: Sequence[int | None]) -> bool:
    """Whether it goes over an image of one row, or a sequence."""
    high = before[2:-1] if len(kernel) > 1 else (1,)
    return set(high) == {1} and set(kernel[:-1]) <= {1}


def _over_padded(node: Node, wide: int | None, span: int) -> bool:
    padding = node.argument(4, "padding", 0)
    pad = (span - 1) // 2 if padding == "same" else sizes_of(padding)[-1]
    if not isinstance(wide, int) or not isinstance(pad, int):
        return pad not in (0, "valid")
    return wide % ROW == 0 and 2 * pad == span - 1 and pad * ROW > wide


def _spread(value: object, dims: int) -> tuple[object, ...]:
    sizes = sizes_of(value)
    return sizes * dims if len(sizes) == 1 else sizes
