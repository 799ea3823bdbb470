"""Masked values once more, for those who do not see how low they are: :func:`copy_masks`.

A tensor has one encoding. A softmax reads masked scores, and the model returns them, too, or sums them up. Then the
range has to reach down to what the mask writes, -1e9, and all scores fall into one step. So the softmax reads scores of
its own, with the range that it needs.
"""

from __future__ import annotations

from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.masked_values import MASKED_FROM, masked_from
from qnnsolve.rewriting.masking import carries, hiding
from qnnsolve.rewriting.nodes import constant_of, op_name

__all__ = ["copy_masks"]

_FAR_UP = 16
"""So many ops may be between a mask and what is read."""
_WRITERS = frozenset(("where", "masked_fill", "full", "full_like", "scalar_tensor", "new_full", "scatter", "fill"))
"""Ops whose numbers are values of their results."""


def copy_masks(model: GraphModule) -> GraphModule:
    """Give softmaxes and the like what a mask was put into by ops of their own, where others read it as it is.

    In place; returns ``model``. Each result stays the same.
    """
    changed = False
    for node, signs in hiding(model):
        if node.op != "call_function" or len(signs) == len(node.users):
            continue
        sign = max(signs.values())
        if not _holds(node, sign, _FAR_UP):
            continue
        copied = _copy(node, sign, _FAR_UP, {})
        for user in [user for user, found in signs.items() if found == sign]:
            user.replace_input_with(node, copied)
        changed = True
    if changed:
        model.recompile()
    return model


def _holds(node: FxNode, sign: int, far: int) -> bool:
    """Whether a mask that the model itself writes is in ``node``: low (``sign`` 1), or high (-1)."""
    value = constant_of(node)
    if value is not None:
        return masked_from(value.detach() * sign, MASKED_FROM) > -float("inf")
    if node.op != "call_function" or not far:
        return False
    numbers = [each for each in (*node.args, *node.kwargs.values()) if isinstance(each, float)]
    if op_name(node) in _WRITERS and any(sign * number <= -MASKED_FROM for number in numbers):
        return True
    return any(True for _ in _masked_sources(node, sign, far))


def _masked_sources(node: FxNode, sign: int, far: int) -> list[tuple[FxNode, int]]:
    """What brings a mask into ``node``, with the sign that it has there."""
    found = [(source, carries(node, source, sign)) for source in node.all_input_nodes]
    return [(source, each) for source, each in found if each and _holds(source, each, far - 1)]


def _copy(node: FxNode, sign: int, far: int, made: dict[FxNode, FxNode]) -> FxNode:
    """``node`` anew, and of what it reads that which holds the mask."""
    masked = dict(_masked_sources(node, sign, far)) if node.op == "call_function" and far else {}
    for source, each in masked.items():
        if source not in made:
            made[source] = _copy(source, each, far - 1, made)
    with node.graph.inserting_before(node):
        return node.graph.node_copy(node, lambda source: made.get(source, source))
