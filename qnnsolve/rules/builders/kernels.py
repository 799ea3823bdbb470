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
CHANNELS = 8
"""Half precision by 8 or 4 bits takes input channels by so many."""


def case_of(name: str, node: Node, graph: Graph, groups: object, dilation: object) -> str | None:
    """The name of the case, None where rank and kernel tell enough. Measured (HTP emulator, QNN 2.51, V68 to V81):

    16-bit weights on 16-bit activations are off by 1 to 2 % where taps are apart (``dilated``) or go over more than 8
    positions one by one (``long``). In half precision a sequence that keeps its length, a multiple of 8, is garbage
    where either side of it is padded by more than an 8th of that (``row``): a kernel of 7 over 16, of 11 over 32.
    Half precision takes weights of 8 and 4 bits only in one group of 8, 16, 24 ... input channels (``1x1_narrow``).
    """
    shape, before = shape_of(graph, ref_at(node, 1)), shape_of(graph, ref_at(node, 0))
    kernel = shape[2:]
    if name.startswith("Transpose"):
        return "grouped" if groups != 1 else None
    taps, strides = _spread(dilation, len(kernel)), _spread(node.argument(3, "stride", 1), len(kernel))
    apart = any(gap != 1 and size != 1 for size, gap in zip(kernel, taps, strict=True))
    if name == "Conv3d":
        return "grouped" if groups != 1 else "dilated" if apart else None
    if set(kernel) == {1}:
        narrow = name == "Conv2d" and (groups != 1 or not isinstance(shape[1], int) or shape[1] % CHANNELS != 0)
        return "1x1_narrow" if narrow else None
    spans = [_span(size, gap) for size, gap in zip(kernel, taps, strict=True)]
    long = any(step == 1 and span > LONGEST for span, step in zip(spans, strides, strict=True))
    row = _is_row(before, kernel, strides) and _over_padded(node, before[-1], spans[-1])
    match apart, long, row:
        case True, _, _:
            return "dilated_row" if row else "dilated"
        case _, True, _:
            return "long_row" if row else "long"
        case _:
            return "row" if row else None


def _span(size: int | None, gap: object) -> int:
    """From the first tap to the last; where it is not known, as if it were long."""
    return (size - 1) * gap + 1 if isinstance(size, int) and isinstance(gap, int) else LONGEST + 1


def _is_row(before: Sequence[int | None], kernel: Sequence[int | None], strides: Sequence[object]) -> bool:
    """Whether an image of one row, or a sequence, is gone over one by one."""
    high = before[2:-1] if len(kernel) > 1 else (1,)
    return set(high) == {1} and set(kernel[:-1]) <= {1} and strides[-1] == 1


def _over_padded(node: Node, wide: int | None, span: int) -> bool:
    padding = node.argument(4, "padding", 0)
    pad = (span - 1) // 2 if padding == "same" else sizes_of(padding)[-1]
    if not isinstance(wide, int) or not isinstance(pad, int):
        return pad not in (0, "valid")
    return wide % ROW == 0 and 2 * pad == span - 1 and pad * ROW > wide


def _spread(value: object, dims: int) -> tuple[object, ...]:
    sizes = sizes_of(value)
    return sizes * dims if len(sizes) == 1 else sizes
