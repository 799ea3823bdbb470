"""Repeat a tensor along a dimension after the arithmetic on it, not before: :func:`move_tiles`.

Along the last dimension, the compiler silently gets sums, differences and products wrong, where each operand is
a Tile of one element there or has one element itself (HTP emulator, QNN 2.51, V68 and V79, 8 and 16 bits:
``x.expand(3, 4) + 1`` of a column has -5 dB). Divisions, maxima and minima are right, and so is what another op, or a
reshape of the last dimension, stands between.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.rewriting.emitting import Emitter, Replacement

__all__ = ["SCALED", "move_tiles"]

_aten = torch.ops.aten
_ARITHMETIC = frozenset(
    {
        *(_aten.add.Tensor, _aten.add.Scalar, _aten.sub.Tensor, _aten.sub.Scalar),
        *(_aten.rsub.Tensor, _aten.rsub.Scalar),
        *(_aten.mul.Tensor, _aten.mul.Scalar),
    }
)
_REPEATS = frozenset({_aten.expand.default, _aten.expand_copy.default, _aten.repeat.default})
_RESHAPES = frozenset(
    {
        *(_aten.view.default, _aten.view_copy.default, _aten.reshape.default, _aten._unsafe_view.default),
        *(_aten.unsqueeze.default, _aten.unsqueeze_copy.default, _aten.unflatten.int, _aten.flatten.using_ints),
        *(_aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims, _aten.squeeze_copy.dims),
        *(_aten.clone.default, _aten.contiguous.default, _aten.alias.default, _aten.alias_copy.default),
    }
)
"""What the compiler looks through, where the last dimension stays."""


def _scaled(emit: Emitter, node: Node) -> Node | None:
    """The second operand's factor by itself: ExecuTorch (1.5.1) gives that product the shape of the sum."""
    factor = node.kwargs.get("alpha", 1)
    if factor == 1 or not isinstance(node.args[1], Node):
        return None
    return emit(node.target, node.args[0], emit(_aten.mul.Tensor, node.args[1], factor))


SCALED: Mapping[Any, Replacement] = MappingProxyType({_aten.add.Tensor: _scaled, _aten.sub.Tensor: _scaled})
"""By aten target, what is written instead."""


def move_tiles(model: GraphModule) -> GraphModule:
    """Write, in place, each such op on what is repeated, and repeat its result. Returns ``model``."""
    for node in list(model.graph.nodes):
        if node.op == "call_function" and node.target in _ARITHMETIC:
            _move(node)
    model.graph.eliminate_dead_code()
    model.recompile()
    return model


def _move(node: Node) -> None:
    sizes = _shape(node)
    columns = [each for each in node.all_input_nodes if _repeats_one(each)]
    narrow = all(each in columns or (_shape(each) or (1,))[-1] == 1 for each in node.all_input_nodes)
    if not columns or not narrow:
        return
    emit = Emitter(node)
    args: Any = torch.fx.node.map_arg(node.args, lambda each: _column(emit, each) if each in columns else each)
    made = emit(node.target, *args, **node.kwargs)
    node.replace_all_uses_with(emit(_aten.expand.default, made, list(sizes)))
    node.graph.erase_node(node)


def _repeats_one(node: Node) -> bool:
    """Whether it repeats one element along its last dimension, at once or before it is reshaped."""
    if node.op != "call_function" or not _shape(node) or _shape(node)[-1] == 1:
        return False
    source: Any = node.args[0]
    if node.target in _RESHAPES:
        return _shape(source)[-1:] == _shape(node)[-1:] and _repeats_one(source)
    return node.target in _REPEATS and _shape(source)[-1:] == (1,)


def _column(emit: Emitter, node: Node) -> Any:
    """What ``node`` repeats along its last dimension alone."""
    source: Any = node.args[0]
    sizes = [*_shape(node)[:-1], 1]
    if node.target in _RESHAPES:
        column = _column(emit, source)
        return column if list(_shape(column)) == sizes else emit(_aten.reshape.default, column, sizes)
    if list(_shape(source)) == sizes:
        return source
    if node.target is _aten.repeat.default:
        counts: Any = node.args[1]
        return emit(node.target, source, [*counts[:-1], 1])
    return emit(_aten.expand.default, source, sizes)


def _shape(node: Node) -> tuple[int, ...]:
    """The sizes of a node's tensor; none where they vary."""
    value = node.meta.get("val")
    sizes = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return sizes if all(isinstance(size, int) for size in sizes) else ()
