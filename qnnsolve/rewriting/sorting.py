"""Sorts as the accelerator has them: along the last dimension, with 32-bit indices (:data:`SORTS`)."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.facts.fx import read_graph
from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rules.builders.layout import channels_last

__all__ = ["SORTS"]

aten = torch.ops.aten
_MEASURED_RANKS = (1, 2, 3, 4)


def _outputs(node: FxNode) -> set[int]:
    """Which outputs of ``node`` are read."""
    return {int(user.args[1]) for user in node.users if user.target is operator.getitem and user.users}  # type: ignore[arg-type]


def _give(node: FxNode, outputs: Mapping[int, FxNode]) -> None:
    for user in list(node.users):
        if user.users:
            user.replace_all_uses_with(outputs[user.args[1]])  # type: ignore[index]  # an index
        user.graph.erase_node(user)


def _narrow(emit: Emitter, indices: FxNode) -> FxNode:
    """The accelerator writes 32-bit indices where ExecuTorch 1.5.1 declares 64: whoever reads them there reads garbage.

    A cast to 32 bits and back says what they are.
    """
    return emit(aten.to.dtype, emit(aten.to.dtype, indices, torch.int32), torch.int64)


def _in_place(node: FxNode, dim: int) -> bool:
    """Whether ``dim`` is the last one as the accelerator holds the tensor, and of a rank that was measured."""
    source: Any = node.args[0]
    rank, module = source.meta["val"].dim(), node.graph.owning_module
    assert module is not None
    if rank < 3:
        return bool(dim == rank - 1)
    graph = read_graph(module)
    return rank in _MEASURED_RANKS and dim == (1 if channels_last(graph[node.name], graph) else rank - 1)


def _sorted(
    emit: Emitter, node: FxNode, dim: int, largest: bool, count: int | None, read: set[int]
) -> dict[int, FxNode]:
    """Values and indices of the first ``count`` (None: of all) along ``dim``, each where it is in ``read``."""
    source: Any = node.args[0]
    sizes = list(source.meta["val"].shape)
    dim %= max(len(sizes), 1)
    whole = bool(sizes) and _in_place(node, dim)
    if not whole and sizes:
        moved = source if dim == len(sizes) - 1 else emit(aten.transpose.int, source, dim, -1)
        source = emit(aten.reshape.default, moved, [-1, sizes[dim]])
    if count is None:
        made = emit(aten.sort.default, source, dim if whole else -1, largest)
    else:
        made = emit(aten.topk.default, source, count, dim if whole else -1, largest, True)
    outputs = {port: emit(operator.getitem, made, port) for port in sorted(read)}
    if 1 in outputs:
        outputs[1] = _narrow(emit, outputs[1])
    if whole or not sizes:
        return outputs
    back = [*sizes[:dim], sizes[-1], *sizes[dim + 1 : -1]] if dim != len(sizes) - 1 else sizes[:-1]
    ordered = [*back, sizes[dim] if count is None else count]
    apart = {port: emit(aten.reshape.default, output, ordered) for port, output in outputs.items()}
    return apart if dim == len(sizes) - 1 else {p: emit(aten.transpose.int, o, dim, -1) for p, o in apart.items()}


def _sort(emit: Emitter, node: FxNode) -> None:
    read = _outputs(node)
    _give(node, _sorted(emit, node, argument(node, 1, "dim", -1), argument(node, 2, "descending", False), None, read))


def _stable_sort(emit: Emitter, node: FxNode) -> None:
    """The accelerator's sort keeps no order among equals, which shows in the indices alone."""
    read = _outputs(node)
    if 1 not in read:
        dim, descending = argument(node, 2, "dim", -1), argument(node, 3, "descending", False)
        _give(node, _sorted(emit, node, dim, descending, None, read))


def _topk(emit: Emitter, node: FxNode) -> None:
    count, dim, largest = node.args[1], argument(node, 2, "dim", -1), argument(node, 3, "largest", True)
    _give(node, _sorted(emit, node, dim, largest, count, _outputs(node)))  # type: ignore[arg-type]  # a number


def _one_output(port: int, dim: int, first: str) -> Replacement:
    """A sort of which one output is what the op computes; ``dim`` is where its arguments have the dimension."""

    def rewritten(emit: Emitter, node: FxNode) -> FxNode:
        along = argument(node, dim, "dim", -1) if dim else 0
        descending = argument(node, dim + 1, "descending", False) if first == "asked" else False
        return _sorted(emit, node, along, descending, None, {port})[port]

    return rewritten


def _kth(emit: Emitter, node: FxNode) -> None:
    """The last of the ``k`` smallest."""
    source: Any = node.args[0]
    count, dim, keep = node.args[1], argument(node, 2, "dim", -1), argument(node, 3, "keepdim", False)
    if not source.meta["val"].dim():
        return
    read = _outputs(node)
    smallest = _sorted(emit, node, dim, False, count, read)  # type: ignore[arg-type]  # a number
    taken = {port: emit(aten.slice.Tensor, found, dim, count - 1, count) for port, found in smallest.items()}  # type: ignore[operator]
    _give(node, taken if keep else {port: emit(aten.squeeze.dim, found, dim) for port, found in taken.items()})


SORTS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.topk.default: _topk,
        aten.sort.default: _sort,
        aten.sort.stable: _stable_sort,
        aten.argsort.default: _one_output(1, 1, "asked"),
        aten.msort.default: _one_output(0, 0, "smallest"),
        aten.kthvalue.default: _kth,
    }
)
"""By aten target, what is written instead."""
