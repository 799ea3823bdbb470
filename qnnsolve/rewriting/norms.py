"""Normalize over several dimensions as over one, and many rows as a list of them: :func:`flatten_norms`.

ExecuTorch (1.5.1) builds LayerNorm and RmsNorm over the last dimension only, and its RmsNorm raises on more. The
trailing dimensions lie side by side in memory, so one dimension of all their elements has the same mean and deviation.
Of five dimensions the accelerator compiles none on V68 (QNN 2.51); which dimensions lead decides nothing.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["flatten_norms"]

_aten = torch.ops.aten
_NORMS = frozenset({_aten.layer_norm.default, _aten.native_layer_norm.default, _aten.rms_norm.default})
_MOST = 4
"""Dimensions of what is normalized, at most."""


def flatten_norms(model: GraphModule) -> GraphModule:
    """Write, in place, each LayerNorm and RMSNorm over several dimensions, or of many, as one of few over one.

    ``[..., h, w]`` becomes ``[..., h * w]`` and back; weight and bias become ``[h * w]``, parameters as constants of
    their own. Each node has its fake value, as exported. One whose mean or deviation is read stays as it is. Returns
    ``model``.
    """
    for node in list(model.graph.nodes):
        if node.op == "call_function" and node.target in _NORMS and _is_wide(node) and _yields_values_only(node):
            _flatten(model, node)
    model.recompile()
    return model


def _is_wide(node: Node) -> bool:
    over: Any = node.args[1]
    return len(over) > 1 or node.all_input_nodes[0].meta["val"].dim() > _MOST


def _yields_values_only(node: Node) -> bool:
    """Whether only the normalized values are read, of an op that gives mean and deviation as well."""
    if node.target is not _aten.native_layer_norm.default:
        return True
    return all(user.target is operator.getitem and (user.args[1] == 0 or not user.users) for user in node.users)


def _flatten(model: GraphModule, node: Node) -> None:
    emit = Emitter(node)
    source, over, *rest = node.args
    assert isinstance(source, Node) and isinstance(over, list | tuple)
    sizes, length = list(source.meta["val"].shape), math.prod(over)
    leading = sizes[: len(sizes) - len(over)]
    if len(leading) >= _MOST:
        leading = [math.prod(leading)]
    flat = emit(_aten.reshape.default, source, [*leading, length])
    weights = [_flat(emit, each, length) for each in rest]
    named = {name: _flat(emit, each, length) for name, each in node.kwargs.items()}
    made = emit(node.target, flat, [length], *weights, **named)
    several = node.target is _aten.native_layer_norm.default
    shaped = emit(_aten.reshape.default, emit(operator.getitem, made, 0) if several else made, sizes)
    for result in list(node.users) if several else [node]:
        result.replace_all_uses_with(shaped)
        model.graph.erase_node(result)
    if several:
        model.graph.erase_node(node)


def _flat(emit: Emitter, weight: Any, length: int) -> Any:
    return emit.folded(_aten.reshape.default, weight, [length]) if isinstance(weight, Node) else weight
