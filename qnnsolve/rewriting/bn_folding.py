"""Batch norms are folded only into layers that nothing else reads: :func:`fold_only_where_alone`.

``prepare_pt2e`` (torchao 0.18) folds a batch norm into the convolution or linear before it, also where others read that
layer's output (a residual branch): they then get the normalized values. It folds one where another layer has the same
weights (a head over several levels): that layer's own norm is then left out. And it scales grouped transposed
convolutions wrongly. None of that can be seen afterwards. Where a weight is computed, even from parameters alone, it
raises "Expected get_attr node"; behind a linear, a TypeError for a norm without a weight or a bias.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e import quantize_pt2e
from torchao.quantization.pt2e import utils as pt2e_utils

from qnnsolve.rewriting.emitting import argument

__all__ = ["fold_batch_norms", "fold_only_where_alone", "hidden", "is_norm"]

_aten = torch.ops.aten
_NORMS = frozenset({_aten.batch_norm.default, _aten._native_batch_norm_legit_no_training.default})
_TRANSPOSED: dict[Any, int] = {
    _aten.conv_transpose1d.default: 6,
    _aten.conv_transpose2d.input: 6,
    _aten.conv_transpose3d.input: 6,
}
"""Where transposed convolutions have their groups."""
_FOLDING = ("_fuse_conv_bn_", "_fuse_linear_bn_")


def fold_only_where_alone() -> None:
    """Have ``prepare_pt2e`` fold only those batch norms that it folds right; the others stay as they are."""
    for name in _FOLDING:
        folding = getattr(quantize_pt2e, name)
        if not hasattr(folding, "__wrapped__"):
            setattr(quantize_pt2e, name, _careful(folding))


def fold_batch_norms(model: GraphModule) -> None:
    """Fold, in place, what can be folded into convolutions and linears."""
    for name in _FOLDING:
        _careful(getattr(pt2e_utils, name))(model)


def _careful(folding: Callable[[GraphModule], None]) -> Callable[[GraphModule], None]:
    @functools.wraps(folding)
    def folded(model: GraphModule) -> None:
        readers = _readers(model)
        with hidden(model, [node for node in model.graph.nodes if _reads_shared(node, readers)]):
            folding(model)

    return folded


def is_norm(node: FxNode) -> bool:
    """Whether ``node`` is a batch norm that could be folded."""
    return node.target in _NORMS


@contextlib.contextmanager
def hidden(model: GraphModule, norms: Collection[FxNode]) -> Iterator[None]:
    """Nobody takes ``norms`` for batch norms as long as the context lasts."""
    targets = {node: node.target for node in norms}
    for node in norms:
        node.target = _kept
    try:
        yield
    finally:
        for node, target in targets.items():
            node.target = target
        if targets:
            model.recompile()


def _kept(*_: Any) -> None:
    """Stands for a batch norm that is not folded."""


def _readers(model: GraphModule) -> Counter[int]:
    """How many nodes read each tensor of the model, by its identity: one may have several names."""
    found: Counter[int] = Counter()
    for node in model.graph.nodes:
        if node.op == "get_attr":
            found[_identity(node)] += len(node.users)
    return found


def _identity(node: FxNode) -> int:
    return id(attrgetter(str(node.target))(node.graph.owning_module))


def _reads_shared(node: FxNode, readers: Counter[int]) -> bool:
    """Whether ``node`` is a batch norm of what others read too, or are made with, or what is computed."""
    source = node.args[0] if node.target in _NORMS else None
    if not isinstance(source, FxNode) or source.op != "call_function" or len(source.args) < 2:
        return False
    if len(source.users) > 1:
        return True
    groups = _TRANSPOSED.get(source.target)
    if groups is not None and len(source.args) > groups and source.args[groups] != 1:
        return True
    if source.target is _aten.linear.default:
        rows = "val" not in source.meta or source.meta["val"].dim() != 2
        if rows or any(argument(node, 1 + index, name) is None for index, name in enumerate(("weight", "bias"))):
            return True
    weights = [arg for arg in source.args[1:3] if isinstance(arg, FxNode)]
    computed = any(weight.op != "get_attr" for weight in (*weights, *node.all_input_nodes[1:]))
    return computed or any(readers[_identity(weight)] > 1 for weight in weights)
