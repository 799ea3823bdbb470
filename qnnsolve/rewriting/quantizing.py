"""Quantizing and dequantizing that is part of what a model computes, written as the arithmetic that it is.

Of a pair that rounds a tensor nothing is left (:mod:`qnnsolve.rewriting.given`). The other cases are here: integers
that the model yields or computes with, integers that come in, and pairs with an encoding per channel. ExecuTorch
(1.5.1) takes every such op for one that a quantizer put there, and drops it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["spell_out_quantizing"]

aten = torch.ops.aten
_SPELLED = frozenset(
    f"quantized_decomposed::{verb}_per_{what}" for verb in ("quantize", "dequantize") for what in ("tensor", "channel")
)


def spell_out_quantizing(model: GraphModule) -> None:
    """Replace, in place, each quantize by ``clamp(round(x / scale) + zero_point)`` and a cast, and each dequantize."""
    for node in list(model.graph.nodes):
        if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.name in _SPELLED:
            node.replace_all_uses_with(_spelled(Emitter(node), node))
            model.graph.erase_node(node)


def _spelled(emit: Emitter, node: FxNode) -> FxNode:
    name: str = node.target._schema.name  # type: ignore[union-attr]
    named = [each.name for each in node.target._schema.arguments]  # type: ignore[union-attr]
    given: dict[str, Any] = dict(zip(named, node.args, strict=False)) | node.kwargs
    scale, zero = given.get("scale", given.get("scales")), given.get("zero_point", given.get("zero_points"))
    scale, zero = (_along(emit, node, each, given.get("axis")) for each in (scale, zero))
    if "dequantize" in name:
        real = emit(aten.to.dtype, given["input"], torch.float32)
        return emit(aten.mul.Tensor, real if zero is None else emit(aten.sub.Tensor, real, zero), scale)
    steps = emit(aten.round.default, emit(aten.div.Tensor, given["input"], scale))
    moved = steps if zero is None else emit(aten.add.Tensor, steps, zero)
    kept = emit(aten.clamp.default, moved, given["quant_min"], given["quant_max"])
    return emit(aten.to.dtype, kept, given["dtype"])


def _along(emit: Emitter, node: FxNode, value: Any, axis: int | None) -> Any:
    """``value`` as a number or a tensor of floats, one for each channel along ``axis``."""
    if not isinstance(value, FxNode):
        return value
    made = emit(aten.to.dtype, value, torch.float32)
    if axis is None:
        return made
    shape = [1] * node.meta["val"].dim()
    shape[axis] = -1
    return emit(aten.view.default, made, shape)
