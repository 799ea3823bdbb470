"""Which tensors the accelerator holds with their channels last.

ExecuTorch 1.5.1 (``_passes/layout_transform.py``) moves the channels of images behind the other axes around ops that
want them there, and through the ops next to these that work in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import attrs

from qnnsolve.facts.graph import GETITEM, Graph, Node, NodeKind

__all__ = ["channels_last"]

_WANTED = tuple(
    f"aten.{name}"
    for name in (
        "conv",
        "adaptive_avg_pool",
        "adaptive_max_pool",
        "avg_pool",
        "max_pool",
        "batch_norm",
        "instance_norm",
        "group_norm",
        "pixel_",
        "upsample_",
        "grid_sampler",
    )
)
_BY_IMAGES = tuple(name for name in _WANTED if "conv" in name or "pool" in name)
_ANY_ORDER = frozenset(
    f"aten.{name}"
    for name in (
        *("add.Tensor", "add_.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "maximum.default", "minimum.default"),
        *("relu.default", "relu_.default", "hardtanh.default", "hardtanh_.default", "clamp.default", "gelu.default"),
        *("hardswish.default", "hardswish_.default", "sigmoid.default", "prelu.default", "elu.default", "exp.default"),
        *("sqrt.default", "abs.default", "neg.default", "cat.default", "topk.default", "sort.default"),
        *("dropout.default", "where.self", "pad.default", "constant_pad_nd.default", "slice.Tensor", "flip.default"),
        *("repeat.default", "split.Tensor", "split_with_sizes.default", "chunk.default"),
    )
)


def channels_last(node: Node, graph: Graph) -> bool:
    """Whether ``node`` is connected, through ops that work in any layout, to another that needs its channels last."""
    runs = _runs(graph)
    near = [node.name] if node.name in runs.of else list(_around(node.name, graph))
    wanting = {name for name in near if _wants(graph[name])}
    wanting.update(each for name in near if name in runs.of for each in runs.wanting[runs.of[name]])
    return bool(wanting - {node.name})


@attrs.frozen(eq=False)
class _Runs:
    """The runs of ops that work in any order: the number of each op's run, and two at most that want channels last.

    Two, since a node does not count for itself.
    """

    of: dict[str, int]
    wanting: list[tuple[str, ...]]


@lru_cache(maxsize=2)
def _runs(graph: Graph) -> _Runs:
    """Each node of the graph is looked at once, by whatever name it is asked for later."""
    found = _Runs({}, [])
    for start in graph.nodes:
        if start in found.of or not _any_order(graph[start]):
            continue
        wanting: dict[str, None] = {}
        found.of[start] = len(found.wanting)
        todo = [start]
        while todo:
            for other in _around(todo.pop(), graph):
                if _wants(graph[other]):
                    wanting[other] = None
                elif other not in found.of and _any_order(graph[other]):
                    found.of[other] = len(found.wanting)
                    todo.append(other)
        found.wanting.append(tuple(wanting)[:2])
    return found


def _around(name: str, graph: Graph) -> Iterator[str]:
    """The ops that a node reads or is read by."""
    return (each for each in (*graph.reads[name], *graph.users[name]) if graph[each].kind is NodeKind.CALL)


def _any_order(node: Node) -> bool:
    return node.kind is NodeKind.CALL and (node.target in _ANY_ORDER or node.target == GETITEM)


def _wants(node: Node) -> bool:
    return node.target.startswith(_WANTED) and not _of_sequences(node)


def _of_sequences(node: Node) -> bool:
    """A convolution or pooling of sequences: ExecuTorch builds it as one of images, between two reshapes, and what is
    around those stays as it is."""
    by_images = node.target.startswith(_BY_IMAGES)
    return by_images and (node.tensor is not None and len(node.tensor.shape) == 3)
