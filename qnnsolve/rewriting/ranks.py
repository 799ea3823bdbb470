"""Compute on tensors of many dimensions as on tensors of fewer, which the accelerator has ops for.

Window attention views an image as ``[batch, row, y, column, x, channel]`` and swaps two of the six dimensions;
deformable attention has ``[batch, query, head, level, point, 2]``. HTP takes five at most (measured, QNN 2.51:
``incorrect Rank 6`` for Reshape and Transpose). Neighbours that an op treats alike need no dimension of their own, and
those of size one need none at all.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.merging import merged
from qnnsolve.rewriting.reshaping import COPIES, VIEWS, reshaped, shape, tensors
from qnnsolve.rules.builders import LARGEST_RANK

__all__ = ["lower_ranks"]


def lower_ranks(model: GraphModule) -> GraphModule:
    """Rewrite, in place, each op on more than five dimensions that can do with fewer. Returns ``model``.

    Between two such ops nothing has more; what neither of them computes (an input, an output, an op that stays) keeps
    its shape.
    """
    for node in list(model.graph.nodes):
        if node.op != "call_function" or not _is_wide(node):
            continue
        emit = Emitter(node)
        made = merged(emit, node)
        if made is None:
            continue
        if shape(node) or node.users:
            node.replace_all_uses_with(reshaped(emit, made, shape(node)))
        model.graph.erase_node(node)
    for node in reversed(list(model.graph.nodes)):
        if node.target in VIEWS | COPIES and len(shape(node)) > LARGEST_RANK and not node.users:
            model.graph.erase_node(node)
    model.recompile()
    return model


def _is_wide(node: Node) -> bool:
    """Whether it computes on, or yields, more dimensions than the accelerator takes, all of known sizes."""
    every = [each for source in (node, *node.all_input_nodes) for each in tensors(source)]
    fixed = all(isinstance(size, int) for each in every for size in each.shape)
    return fixed and any(each.dim() > LARGEST_RANK for each in every)
