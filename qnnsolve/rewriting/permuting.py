"""Permute in steps that each move few runs of dimensions: :func:`permuted`; and not at all: :func:`drop_idle`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.reshaping import reshaped, shape
from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["drop_idle", "permuted"]

_aten = torch.ops.aten


def drop_idle(model: GraphModule) -> GraphModule:
    """Take out, in place, each permutation that leaves every dimension where it is. Returns ``model``.

    ExecuTorch (``decompose_einsum.py``, 1.5.1) makes such, of vectors too, which the accelerator permutes none of.
    """
    for node in list(model.graph.nodes):
        if node.target is not _aten.permute.default or any(user.op == "output" for user in node.users):
            continue
        source, order = node.args
        if [dim % len(order) for dim in order] == list(range(len(order))):
            node.replace_all_uses_with(source)
            model.graph.erase_node(node)
    model.recompile()
    return model


def permuted(emit: Emitter, source: Node, order: Sequence[int]) -> Node:
    """``source`` with its dimensions in ``order``, by permutations of tensors that the accelerator takes.

    Dimensions of size one, and neighbours that stay neighbours, need none of their own. What moves more runs than the
    accelerator takes dimensions is done in several steps, each of which brings some of them to their neighbours.
    The result has any shape; its elements stand in the right order.
    """
    sizes = shape(source)
    runs = _runs([place for place in order if sizes[place] != 1], [p for p, size in enumerate(sizes) if size != 1])
    while len(runs) > 1:
        before = sorted(range(len(runs)), key=lambda index: runs[index][0])
        lengths = [math.prod(sizes[place] for place in runs[index]) for index in before]
        wanted = [before.index(index) for index in range(len(runs))]
        step = (
            wanted if len(runs) <= LARGEST_RANK else min(_interchanges(len(runs)), key=lambda each: _left(each, wanted))
        )
        source = _step(emit, source, lengths, step)
        if step is wanted:
            break
        sizes = tuple(lengths[place] for place in step)
        runs = _runs([step.index(place) for place in wanted], list(range(len(sizes))))
    return source


def _runs(order: list[int], before: list[int]) -> list[list[int]]:
    """Dimensions that stay together, in the order of the output."""
    place = {dim: index for index, dim in enumerate(before)}
    runs: list[list[int]] = []
    for dim in order:
        if runs and place[runs[-1][-1]] + 1 == place[dim]:
            runs[-1].append(dim)
        else:
            runs.append([dim])
    return runs


def _interchanges(count: int) -> Iterator[list[int]]:
    """Every exchange of two blocks, with what is between them: five runs at most."""
    dims = list(range(count))
    for a, b, c, d in itertools.combinations_with_replacement(range(count + 1), 4):
        if a < b and c < d:
            yield dims[:a] + dims[c:d] + dims[b:c] + dims[a:b] + dims[d:]


def _left(step: list[int], wanted: list[int]) -> int:
    """How many runs are left to move after ``step``."""
    return len(_runs([step.index(place) for place in wanted], list(range(len(wanted)))))


def _step(emit: Emitter, source: Node, lengths: list[int], order: list[int]) -> Node:
    runs = _runs(order, list(range(len(order))))
    before = sorted(range(len(runs)), key=lambda index: runs[index][0])
    merged = [math.prod(lengths[place] for place in runs[index]) for index in before]
    return emit(
        _aten.permute.default, reshaped(emit, source, merged), [before.index(index) for index in range(len(runs))]
    )
