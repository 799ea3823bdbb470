"""Ops along one dimension or over several, with all others merged into as few as possible (`merging`)."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch.fx import Node

from qnnsolve.rewriting.broadcasting import alike
from qnnsolve.rewriting.emitting import Emitter, argument
from qnnsolve.rewriting.permuting import permuted
from qnnsolve.rewriting.reshaping import reshaped, shape
from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["NEUTRAL", "along", "gather", "index", "join", "length", "over", "pad", "scatter"]

_aten = torch.ops.aten

NEUTRAL = frozenset({_aten.sum.dim_IntList, _aten.mean.dim, _aten.amax.default, _aten.amin.default, _aten.flip.default})
"""What leaves a tensor as it is, over dimensions of size one."""


def _around(source: Node, dim: int) -> tuple[list[int], int]:
    """``source`` in three dimensions, two where ``dim`` is the last, and which of them is ``dim``."""
    sizes = shape(source)
    before, after = math.prod(sizes[:dim]), math.prod(sizes[dim + 1 :])
    return ([before, sizes[dim]] if dim == len(sizes) - 1 else [before, sizes[dim], after]), 1


def _place(node: Node) -> tuple[int, int]:
    """Where the schema has ``dim``, and what it is, from 0 up."""
    names = [each.name for each in node.target._schema.arguments]  # type: ignore[union-attr]  # an OpOverload
    index = names.index("dim")
    default = node.target._schema.arguments[index].default_value  # type: ignore[union-attr]
    return index, argument(node, index, "dim", default)


def along(emit: Emitter, node: Node) -> Node | None:
    """An op along one dimension: those before it and those after it are alike."""
    source: Any = node.args[0]
    index, dim = _place(node)
    if dim is None:
        return None
    sizes, low = _around(source, dim % len(shape(source)))
    args = [*node.args, *[None] * (index + 1 - len(node.args))]
    for gap, each in enumerate(node.target._schema.arguments[: len(args)]):  # type: ignore[union-attr]
        args[gap] = args[gap] if gap < len(node.args) else each.default_value
    args[0], args[index] = reshaped(emit, source, sizes), low
    made = emit(node.target, *args, **{name: value for name, value in node.kwargs.items() if name != "dim"})
    if isinstance(node.meta["val"], torch.Tensor):
        return made
    for item in list(node.users):
        part = emit(operator.getitem, made, item.args[1])
        item.replace_all_uses_with(reshaped(emit, part, shape(item)))
        node.graph.erase_node(item)
    return made


def over(emit: Emitter, node: Node) -> Node | None:
    """An op over some dimensions, at once; where they lie in too many runs they are moved to the end first."""
    source: Any = node.args[0]
    sizes, rank = shape(source), len(shape(source))
    given: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    dims = {dim % rank for dim in ([given] if isinstance(given, int) else given or range(rank))}
    runs = alike([[dim in dims for dim in range(rank)]], sizes) or [[0]]
    over = [index for index, run in enumerate(runs) if run[0] in dims]
    low, rest = [math.prod(sizes[dim] for dim in run) for run in runs], node.args[3:]
    if not over:
        same = node.target in NEUTRAL and source.meta["val"].dtype == node.meta["val"].dtype
        return reshaped(emit, source, low) if same else None
    keep = () if node.target is _aten.flip.default else (True,)
    if len(low) <= LARGEST_RANK:
        return emit(node.target, reshaped(emit, source, low), over, *keep, *rest, **_without_dims(node))
    if keep:
        # Not one run after the other: at 8 bits, three sums in a row have 21 dB on V79 where one has 38 (QNN 2.51).
        order = sorted(range(rank), key=lambda dim: dim in dims)
        count = math.prod(sizes[dim] for dim in dims)
        moved = reshaped(emit, permuted(emit, source, order), [math.prod(sizes) // count, count])
        return emit(node.target, moved, [1], *keep, *rest, **_without_dims(node))
    for run in over:
        around = [math.prod(low[:run]), low[run], math.prod(low[run + 1 :])]
        source = emit(node.target, reshaped(emit, source, around), [1], *rest, **_without_dims(node))
    return source  # type: ignore[no-any-return]  # a node


def _without_dims(node: Node) -> dict[str, Any]:
    return {name: value for name, value in node.kwargs.items() if name not in ("dim", "keepdim")}


def join(emit: Emitter, node: Node) -> Node:
    """Concatenation and stacking, in two dimensions: what comes before, and all the rest."""
    parts: Any = node.args[0]
    dim = argument(node, 1, "dim", 0) % len(shape(node))
    before = math.prod(shape(node)[:dim])
    low = [reshaped(emit, part, [before, math.prod(shape(part)) // before]) for part in parts]
    return emit(_aten.cat.default, low, 1)


def index(emit: Emitter, node: Node) -> Node | None:
    """By one tensor of whole numbers, along one dimension."""
    every: Any = node.args
    source, indices = every
    given = [(dim, each) for dim, each in enumerate(indices) if each is not None]
    if len(given) != 1 or given[0][1].meta["val"].dtype not in (torch.int64, torch.int32):
        return None
    (dim, places), sizes = given[0], shape(source)
    around = [math.prod(sizes[:dim]), sizes[dim], math.prod(sizes[dim + 1 :])]
    flat = reshaped(emit, places, [math.prod(shape(places))])
    return emit(_aten.index.Tensor, reshaped(emit, source, around), [None, flat])


def scatter(emit: Emitter, node: Node) -> Node:
    """Into a part along one dimension."""
    every: Any = node.args
    whole, part, *rest = every
    sizes, (_, dim) = shape(whole), _place(node)
    before, after = math.prod(sizes[: dim % len(sizes)]), math.prod(sizes[dim % len(sizes) + 1 :])
    around = [before, math.prod(shape(part)) // (before * after), after]
    low = [before, after] if node.target is _aten.select_scatter.default else around
    kwargs = {name: value for name, value in node.kwargs.items() if name != "dim"}
    into = reshaped(emit, whole, [before, sizes[dim], after])
    return emit(node.target, into, reshaped(emit, part, low), 1, *rest[1:], **kwargs)


def gather(emit: Emitter, node: Node) -> Node | None:
    """From what has the same sizes but along the dimension."""
    given: Any = node.args[:3]
    source, dim, places = given
    sizes, wanted = list(shape(source)), list(shape(places))
    dim %= len(sizes)
    if [*sizes[:dim], *sizes[dim + 1 :]] != [*wanted[:dim], *wanted[dim + 1 :]]:
        return None
    before, after = math.prod(sizes[:dim]), math.prod(sizes[dim + 1 :])
    low = [reshaped(emit, each, [before, own[dim], after]) for each, own in ((source, sizes), (places, wanted))]
    return emit(node.target, low[0], 1, low[1])


def length(emit: Emitter, node: Node) -> Node | None:
    """The length of vectors over some dimensions, which come last."""
    source, order, given = node.args[0], argument(node, 1, "ord", 2), argument(node, 2, "dim")
    sizes, rank = shape(source), len(shape(source))
    dims = {dim % rank for dim in ([given] if isinstance(given, int) else given or range(rank))}
    runs = alike([[dim in dims for dim in range(rank)]], sizes)
    low = [math.prod(sizes[dim] for dim in run) for run in runs]
    reduced = [index for index, run in enumerate(runs) if run[0] in dims]
    if len(low) > LARGEST_RANK or not reduced or node.kwargs.get("dtype") is not None:
        return None
    return emit(node.target, reshaped(emit, source, low), order, reduced, True)  # type: ignore[arg-type]  # a node


def pad(emit: Emitter, node: Node) -> Node | None:
    """With a number around some dimensions; those between them are alike."""
    source, around, *rest = node.args
    sizes, sides = shape(source), list(around)  # type: ignore[arg-type]  # numbers, from the last dimension on
    if rest and rest[0] not in ("constant", None) and node.target is _aten.pad.default:
        return None
    sides += [0] * (2 * len(sizes) - len(sides))
    each = [tuple(sides[2 * index : 2 * index + 2]) for index in reversed(range(len(sizes)))]
    runs: list[list[int]] = []
    for dim, padded in enumerate(each):
        if any(padded) or not runs or any(each[runs[-1][-1]]):
            runs.append([dim])
        else:
            runs[-1].append(dim)
    if len(runs) > LARGEST_RANK:
        return None
    low = [math.prod(sizes[dim] for dim in run) for run in runs]
    new = [side for run in reversed(runs) for side in each[run[0]]]
    return emit(node.target, reshaped(emit, source, low), new, *rest, **node.kwargs)  # type: ignore[arg-type]  # a node
