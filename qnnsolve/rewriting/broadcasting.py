"""Ops that broadcast, with dimensions merged into as few as possible (`merging`)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node

from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.reshaping import reshaped, shape, unviewed
from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["alike", "attention", "expand", "matmul", "pointwise", "repeat"]

_aten = torch.ops.aten


def alike(rows: Sequence[Sequence[Any]], sizes: Sequence[int]) -> list[list[int]]:
    """Runs of dimensions whose entries in each row are alike; dimensions of size one are in none."""
    wide = [dim for dim, size in enumerate(sizes) if size != 1]
    return [list(run) for _, run in itertools.groupby(wide, key=lambda dim: [row[dim] for row in rows])]


def pointwise(emit: Emitter, node: Node) -> Node | None:
    """An op that works element by element; None where a tensor is a keyword argument."""
    if any(isinstance(each, Node) for each in node.kwargs.values()):
        return None
    given = [each for each in node.args if isinstance(each, Node) and shape(each)]
    parts = dict(zip(given, _broadcast(emit, given, shape(node)), strict=True))
    return emit(
        node.target, *(parts.get(each, each) if isinstance(each, Node) else each for each in node.args), **node.kwargs
    )


def _broadcast(emit: Emitter, sources: Sequence[Node], sizes: Sequence[int]) -> list[Node]:
    """The ``sources``, which together have the shape ``sizes``, with those dimensions merged that all treat alike."""
    shapes = [(1,) * (len(sizes) - len(shape(source))) + shape(source) for source in sources]
    runs = alike([[each == size for each, size in zip(row, sizes, strict=True)] for row in shapes], sizes)
    if len(runs) > LARGEST_RANK:
        sources, shapes = [_expanded(emit, source, sizes) for source in sources], [tuple(sizes)] * len(sources)
        runs = alike(shapes[:0], sizes)
    if len(runs) == 1 and len(runs[0]) > 1:
        low = next(
            (shape(unviewed(source)) for source in sources if len(shape(unviewed(source))) <= LARGEST_RANK), None
        )
        if low is not None and math.prod(low) == math.prod(sizes):
            return [reshaped(emit, each, low if math.prod(shape(each)) > 1 else [1] * len(low)) for each in sources]
        runs = [runs[0][:-1], runs[0][-1:]]
    return [
        reshaped(emit, each, [math.prod(row[dim] for dim in run) for run in runs] or [1])
        for each, row in zip(sources, shapes, strict=True)
    ]


def _expanded(emit: Emitter, source: Node, sizes: Sequence[int]) -> Node:
    """``source`` expanded to ``sizes``: at once, or one run of dimensions after the other."""
    row = (1,) * (len(sizes) - len(shape(source))) + shape(source)
    runs = alike([[each == size for each, size in zip(row, sizes, strict=True)]], sizes)
    low, full = ([math.prod(each[dim] for dim in run) for run in runs] or [1] for each in (row, sizes))
    if len(runs) <= LARGEST_RANK:
        part = reshaped(emit, source, low)
        return part if low == full else emit(_aten.expand.default, part, full)
    for index, size in enumerate(full):
        if low[index] != size:
            before, rest = math.prod(full[:index]), math.prod(low[index + 1 :])
            part = reshaped(emit, source, [before, 1, rest])
            source = emit(_aten.expand.default, part, [before, size, rest])
    return source


def expand(emit: Emitter, node: Node) -> Node:
    """To the node's own shape."""
    return _expanded(emit, node.all_input_nodes[0], shape(node))


def repeat(emit: Emitter, node: Node) -> Node:
    """One dimension after the other: an extra one before it, expanded."""
    given: Any = node.args
    source, repeats = given
    sizes = [1] * (len(repeats) - len(shape(source))) + list(shape(source))
    for dim, count in enumerate(repeats):
        if count != 1:
            before, rest = math.prod(sizes[:dim]), math.prod(sizes[dim:])
            part = reshaped(emit, source, [before, 1, rest])
            source = emit(_aten.expand.default, part, [before, count, rest])
            sizes[dim] *= count
    return source  # type: ignore[no-any-return]  # a node


def matmul(emit: Emitter, node: Node) -> Node:
    """One batch of products. What is broadcast is expanded; a plain matrix on the right is not."""
    one, other = (each for each in node.args if isinstance(each, Node))
    rows, columns = shape(one)[-2:], shape(other)[-2:]
    if len(shape(other)) == 2:
        return emit(node.target, reshaped(emit, one, [math.prod(shape(one)[:-1]), rows[1]]), other)
    batch = shape(node)[:-2]
    first, second = (_expanded(emit, each, (*batch, *shape(each)[-2:])) for each in (one, other))
    count = math.prod(batch)
    return emit(_aten.bmm.default, reshaped(emit, first, [count, *rows]), reshaped(emit, second, [count, *columns]))


def attention(emit: Emitter, node: Node) -> Node:
    """Heads of one batch; what is broadcast is expanded, but a mask that all heads share."""
    given: list[Any] = [each for each in node.args if isinstance(each, Node)]
    batch = shape(node)[:-2]
    low: dict[Node, Node] = {}
    for each in given:
        *before, rows, columns = shape(each)
        if math.prod(before) == 1:
            low[each] = reshaped(emit, each, [1, 1, rows, columns])
        if each in node.args[:3] or math.prod(before) != 1:
            expanded = _expanded(emit, each, (*batch, rows, columns))
            low[each] = reshaped(emit, expanded, [math.prod(batch[:-1]), batch[-1], rows, columns])
    args = [low.get(each, each) if isinstance(each, Node) else each for each in node.args]
    return emit(node.target, *args, **node.kwargs)
