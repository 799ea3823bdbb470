"""Clamps that the compiler folds into the op before them and loses, as a maximum and a minimum: :func:`part_clips`.

It takes the range of the encoding for the clamp's bounds. A lower bound above zero (or an upper one below it) is no
end of a range: ``(x * 2).clamp(0.1, 0.5)`` comes out as 0 (V73 to V79, 8 and 16 bits). And at 16 bits on V68 and V69 a
range reaches past its declared end, so that ``relu6`` behind a sum or a linear layer goes up to 8. Behind a
convolution both are right, and so are a maximum and a minimum (HTP emulator, QNN 2.51).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import GraphModule

from qnnsolve.rewriting.emitting import Emitter, argument

__all__ = ["PAST_THE_END", "part_clips"]

aten = torch.ops.aten
PAST_THE_END = frozenset(("V68", "V69"))
"""HTP archs whose 16-bit ranges reach past the end that is declared, of V68, V69, V73, V75 and V79."""
_BOUNDS: dict[Any, tuple[Any, Any]] = {
    aten.clamp.default: ((1, "min", None), (2, "max", None)),
    aten.clamp_min.default: ((1, "min", None), None),
    aten.clamp_max.default: (None, (1, "max", None)),
    aten.hardtanh.default: ((1, "min_val", -1.0), (2, "max_val", 1.0)),
    aten.relu6.default: ((-1, "", 0.0), (-1, "", 6.0)),
}
"""By target, where its lower and its upper bound stand, and what they are by default."""
_RIGHT_BEHIND = frozenset((aten.conv1d.default, aten.conv2d.default, aten.conv1d.padding, aten.conv2d.padding))


def part_clips(model: GraphModule, past_the_end: bool) -> GraphModule:
    """Write such clamps otherwise, in place; returns ``model``.

    With ``past_the_end``, ranges are wider than declared.
    """
    for node in list(model.graph.nodes):
        if node.target not in _BOUNDS or not node.meta["val"].is_floating_point():
            continue
        low, high = (_bound(node, each) for each in _BOUNDS[node.target])
        off_zero = (low or 0.0) > 0 or (high or 0.0) < 0
        lost = past_the_end and high is not None and math.isfinite(high) and node.args[0].target not in _RIGHT_BEHIND
        if not (off_zero or lost):
            continue
        emit, made = Emitter(node), node.args[0]
        if low is not None:
            made = emit(aten.relu.default, made) if low == 0 else emit(aten.maximum.default, made, _number(emit, low))
        if high is not None:
            made = emit(aten.minimum.default, made, _number(emit, high))
        node.replace_all_uses_with(made)
        model.graph.erase_node(node)
    model.recompile()
    return model


def _bound(node: Any, place: Any) -> float | None:
    if place is None:
        return None
    index, name, default = place
    value = default if index < 0 else argument(node, index, name, default)
    return None if value is None else float(value)


def _number(emit: Emitter, value: float) -> Any:
    return emit.constant("clip_bound", torch.tensor(value, dtype=emit.node.meta["val"].dtype))
