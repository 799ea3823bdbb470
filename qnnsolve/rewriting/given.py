"""A model that comes quantized, wholly or in part, is quantized again: :func:`without_given`.

``convert_pt2e`` and training with fake quantization leave ops in a graph that round a tensor: a quantize and its
dequantize, or both in one. ExecuTorch reads the encodings from such pairs, so that there can be one set of them only,
the one that is solved for. What is known beforehand (a weight) keeps the values that the old rounding gave it; what is
computed from the inputs keeps the range that it was cut to, and is rounded with the new encoding.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rewriting.constants import fold_constants
from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.notes import add_notes
from qnnsolve.rewriting.quantizing import spell_out_quantizing

__all__ = ["without_given"]

aten = torch.ops.aten
_NAMESPACES = ("quantized_decomposed", "torchao")
_FAKE = frozenset({"aten::fake_quantize_per_tensor_affine", "aten::fake_quantize_per_channel_affine"})
"""Quantize and dequantize in one op."""
_SAME_VALUES = frozenset(
    {
        *(aten.view.default, aten.reshape.default, aten.flatten.using_ints, aten.unflatten.int, aten.permute.default),
        *(aten.transpose.int, aten.expand.default, aten.expand_as.default, aten.squeeze.dim, aten.squeeze.dims),
        *(aten.unsqueeze.default, aten.slice.Tensor, aten.select.int, aten.clone.default, aten.contiguous.default),
        *(aten.max_pool2d.default, aten.dropout.default, aten.relu.default),
    }
)
"""Ops that yield values of their first argument, or zero, which every such range holds."""


def without_given(model: GraphModule) -> GraphModule:
    """``model`` itself, without the quantization that it came with; a note says what was taken out.

    Three things are part of what the model computes, and are written as arithmetic: a dequantize of an integer that no
    quantize yields, a quantize whose integers are read as integers, and encodings by channel of an activation.
    """
    if not any(map(_is_given, model.graph.nodes)):
        return model
    names = [node.name for node in model.graph.nodes if _is_given(node)]
    fold_constants(model)
    for node in list(model.graph.nodes):
        if _yields_rounded(node) and (source := _source(node)) is not None:
            range_ = _range(model, node)
            if range_ is not None:
                node.replace_all_uses_with(_cut(node, source, range_))
    _erase_dead(model)
    spelled = {node.name for node in model.graph.nodes if _is_given(node)}
    spell_out_quantizing(model)
    model.recompile()
    left = {node.name for node in model.graph.nodes} | spelled
    if gone := [name for name in names if name not in left]:
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        add_notes(model, f"the model comes quantized, and is quantized anew: without {', '.join(gone[:3])}{more}")
    return model


def _name(node: Node) -> str:
    return node.target._schema.name if isinstance(node.target, torch._ops.OpOverload) else ""


def _is_given(node: Node) -> bool:
    return _name(node).partition("::")[0] in _NAMESPACES or _name(node) in _FAKE


def _does(node: object, verb: str) -> bool:
    return isinstance(node, Node) and _is_given(node) and _name(node).partition("::")[2].startswith(verb)


def _yields_rounded(node: Node) -> bool:
    return _does(node, "dequantize") or _name(node) in _FAKE


def _quantize(node: Node) -> Any:
    """The op that ``node``'s integers come from."""
    return node if _name(node) in _FAKE else node.args[0]


def _source(node: Node) -> Node | None:
    """The tensor that ``node`` yields a rounded copy of."""
    quantize = _quantize(node)
    if quantize is not node and not _does(quantize, "quantize"):
        return None
    source = quantize.args[0]
    return source if isinstance(source, Node) else None


def _range(model: GraphModule, node: Node) -> tuple[float, float] | None:
    """The least and largest value that ``node`` can yield, infinite where its scale is computed from its input.

    None where it is not one range.
    """
    quantize = _quantize(node)
    named = [each.name for each in quantize.target._schema.arguments]
    given = dict(zip(named, quantize.args, strict=False)) | quantize.kwargs
    scale, zero = given.get("scale", given.get("scales")), given.get("zero_point", given.get("zero_points"))
    if any(isinstance(each, Node) and each.op != "get_attr" for each in (scale, zero)):
        return -torch.inf, torch.inf
    step, middle = _number(model, scale), _number(model, 0 if zero is None else zero)
    least, most = given.get("quant_min"), given.get("quant_max")
    if step is None or middle is None or least is None or most is None:
        return None
    return (least - middle) * step, (most - middle) * step


def _number(model: GraphModule, value: object) -> float | None:
    if isinstance(value, Node):
        value = operator.attrgetter(str(value.target))(model)
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, (int, float)) else None


def _cut(node: Node, source: Node, range_: tuple[float, float]) -> Node:
    """``source`` within ``range_``: a clamp, where it is not within already."""
    behind = source
    while behind.target in _SAME_VALUES and isinstance(behind.args[0], Node):
        behind = behind.args[0]
    if range_[0] == -torch.inf or (behind.target is aten.clamp.default and tuple(behind.args[1:]) == range_):
        return source
    return Emitter(node)(aten.clamp.default, source, *range_)


def _erase_dead(model: GraphModule) -> None:
    for node in reversed(list(model.graph.nodes)):
        if not node.users and (node.op == "get_attr" or _is_given(node) or node.target is operator.getitem):
            model.graph.erase_node(node)
