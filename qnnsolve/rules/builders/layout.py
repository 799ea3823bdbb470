"""Which tensors the accelerator holds with their channels last.

ExecuTorch 1.5.1 (``_passes/layout_transform.py``) moves the channels of images behind the other axes around ops that
want them there, and through the ops next to these that work in any order.
"""

from __future__ import annotations

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
    """Whether ``node`` is connected, through ops that work in any layout, to one that needs its channels last."""
    seen, todo = {node.name}, [node.name]
    while todo:
        name = todo.pop()
        for other in (*graph[name].refs(), *graph.users[name]):
            if other in seen or graph[other].kind is not NodeKind.CALL:
                continue
            seen.add(other)
            if graph[other].target.startswith(_WANTED) and not _of_sequences(graph[other]):
                return True
            if graph[other].target in _ANY_ORDER or graph[other].target == GETITEM:
                todo.append(other)
    return False


def _of_sequences(node: Node) -> bool:
    """A convolution or pooling of sequences: ExecuTorch builds it as one of images, between two reshapes, and what is
    around those stays as it is."""
    by_images = node.target.startswith(_BY_IMAGES)
    return by_images and (node.tensor is not None and len(node.tensor.shape) == 3)
