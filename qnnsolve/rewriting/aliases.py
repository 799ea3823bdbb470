"""Call by its first name what torch has a second name for: :func:`first_names`.

``torch.export`` keeps ``torch.greater``, ``torch.special.expit`` or ``torch.linalg.matmul`` as they were written;
every table, pass and builder below knows ``gt``, ``sigmoid`` and ``matmul`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule, Node

__all__ = ["FIRST_NAMES", "first_names"]

_aten = torch.ops.aten

_OF_ONE: dict[Any, Any] = {
    getattr(_aten, second): getattr(_aten, first)
    for second, first in {
        "absolute": "abs",
        "arccos": "acos",
        "arccosh": "acosh",
        "arcsin": "asin",
        "arcsinh": "asinh",
        "arctan": "atan",
        "arctan2": "atan2",
        "arctanh": "atanh",
        "chain_matmul": "linalg_multi_dot",
        "fix": "trunc",
        "ger": "outer",
        "linalg_matmul": "matmul",
        "matrix_power": "linalg_matrix_power",
        "native_channel_shuffle": "channel_shuffle",
        "negative": "neg",
        "row_stack": "vstack",
        "special_erf": "erf",
        "special_erfc": "erfc",
        "special_exp2": "exp2",
        "special_expit": "sigmoid",
        "special_expm1": "expm1",
        "special_log1p": "log1p",
        "special_logit": "logit",
        "special_logsumexp": "logsumexp",
        "special_sinc": "sinc",
        "unsafe_split_with_sizes": "split_with_sizes",
    }.items()
}
_OF_TWO: dict[Any, Any] = {
    getattr(_aten, second): getattr(_aten, first)
    for second, first in {
        "divide": "div",
        "greater": "gt",
        "greater_equal": "ge",
        "less": "lt",
        "less_equal": "le",
        "multiply": "mul",
        "not_equal": "ne",
        "subtract": "sub",
        "true_divide": "div",
    }.items()
}

FIRST_NAMES: Mapping[Any, Any] = MappingProxyType(
    {
        **{second.default: first.default for second, first in _OF_ONE.items()},
        **{second.Tensor: first.Tensor for second, first in _OF_TWO.items()},
        **{second.Scalar: first.Scalar for second, first in _OF_TWO.items()},
        _aten.special_log_softmax.default: _aten.log_softmax.int,
        _aten.special_softmax.default: _aten.softmax.int,
        _aten.special_xlogy.default: _aten.xlogy.Tensor,
        _aten.unsafe_chunk.default: _aten.chunk.default,
        _aten.unsafe_split.Tensor: _aten.split.Tensor,
    }
)
"""By aten target, the one that computes the same of the same arguments."""


def first_names(model: GraphModule) -> GraphModule:
    """``model`` itself, in which no op goes by a second name."""
    for node in model.graph.nodes:
        if node.op == "call_function" and (first := _first(node)) is not None:
            node.target = first
    model.recompile()
    return model


def _first(node: Node) -> Any:
    if node.target is _aten.special_round.default:
        return _aten.round.decimals if node.kwargs.get("decimals") else _aten.round.default
    return FIRST_NAMES.get(node.target)
