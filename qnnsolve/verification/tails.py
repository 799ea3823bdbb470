"""The end of a converted graph, from where an output's values jump or are chosen on: :func:`tail_of`."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch.fx import Node

from qnnsolve.verification.quantized_nodes import is_dequantize

__all__ = ["Tail", "step_of", "tail_of"]

aten = torch.ops.aten


def _overloads(*packets: Any) -> frozenset[Any]:
    return frozenset(getattr(packet, name) for packet in packets for name in packet.overloads())


_JUMPS = _overloads(
    *(aten.round, aten.floor, aten.ceil, aten.trunc, aten.fix, aten.frac, aten.sign, aten.sgn, aten.heaviside),
    *(aten.gt, aten.ge, aten.lt, aten.le, aten.eq, aten.ne, aten.logical_not),
    *(aten.remainder, aten.fmod, aten.floor_divide),
) | {aten.div.Tensor_mode, aten.div.Scalar_mode}
"""Ops whose result jumps where their first input passes some number."""
_CASTS = frozenset({aten.to.dtype, aten._to_copy.default})
"""Jumps where they make integers of floats."""
_INDICES = frozenset({aten.argmax.default, aten.argmin.default, aten.argsort.default})
_PAIRS = frozenset({aten.max.dim, aten.min.dim, aten.topk.default, aten.sort.default})
"""Ops that yield values, and with them indices."""
_MOVES = _overloads(
    *(aten.view, aten.reshape, aten._unsafe_view, aten.view_copy, aten.flatten, aten.unflatten, aten.alias),
    *(aten.permute, aten.transpose, aten.t, aten.movedim, aten.squeeze, aten.unsqueeze, aten.expand, aten.repeat),
    *(aten.clone, aten.contiguous, aten.to, aten._to_copy, aten.slice, aten.select, aten.flip, aten.detach),
    *(aten.cat, aten.stack),
)
"""Ops that take each value as it is to another place, or to another dtype."""
LONGEST = 200
"""Nodes of a tail; whoever has more computes something of its own behind its jumps."""


@attrs.frozen(eq=False)
class Tail:
    """``nodes`` in their order, up to the output, jumps among them; ``indices`` are those that it starts from."""

    nodes: tuple[Node, ...]
    indices: frozenset[Node]
    output: Node

    @property
    def read(self) -> frozenset[Node]:
        """Whose values it takes to compute it again: what its nodes read, and what is chosen from."""
        pairs = {each for node in self.indices for each in node.all_input_nodes if each.target in _PAIRS}
        inputs = {each for node in (*self.nodes, *self.indices, *pairs) for each in node.all_input_nodes}
        return frozenset({*inputs, *self.indices} - {*self.nodes})

    @property
    def only_moves(self) -> bool:
        """Whether nothing is computed on the way."""
        return all(node.target in _MOVES for node in self.nodes)

    @property
    def jumps(self) -> bool:
        """Whether some node may jump."""
        return any(map(_may_jump, self.nodes))

    def replayed(self, seen: Mapping[Node, Any], nudge: float = 0.0) -> torch.Tensor:
        """The output computed again from what was ``seen``, with the input of each jump ``nudge`` of its steps off."""
        values = {**seen}
        for node in self.nodes:
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            if nudge and _may_jump(node):
                args = _nudged(node, args, nudge)
            values[node] = node.target(*args, **kwargs)  # type: ignore[operator]  # an op: see tail_of
        result: torch.Tensor = values[self.output]
        return result


def _may_jump(node: Node) -> bool:
    if node.target not in _CASTS:
        return node.target in _JUMPS
    dtype = node.kwargs.get("dtype", node.args[1] if len(node.args) > 1 else None)
    return isinstance(dtype, torch.dtype) and not dtype.is_floating_point


def _nudged(node: Node, args: tuple[Any, ...], nudge: float) -> tuple[Any, ...]:
    """``args`` with the first one off by so many steps, counting the steps of all."""
    first = args[0]
    if not isinstance(first, torch.Tensor) or not first.is_floating_point():
        return args
    return first + nudge * sum(map(step_of, node.all_input_nodes)), *args[1:]


def tail_of(output: Node) -> Tail | None:
    """The tail behind ``output``; None where nothing jumps or is chosen there, or more than places are between."""
    found: dict[Node, None] = {}
    indices: set[Node] = set()
    pending = [output]
    while pending:
        node = pending.pop()
        if node in found or node in indices:
            continue
        if _is_index(node):
            indices.add(node)
        elif node.op == "call_function" and _each_by_itself(node):
            found[node] = None
            pending += node.all_input_nodes
        if len(found) > LONGEST:
            return None
    order = {node: at for at, node in enumerate(output.graph.nodes)}
    tail = Tail(tuple(sorted(found, key=order.__getitem__)), frozenset(indices), output)
    return tail if indices or tail.jumps else None


def _is_index(node: Node) -> bool:
    if node.target is operator.getitem:
        pair: Any = node.args[0]
        return pair.target in _PAIRS and bool(node.args[1] == 1)
    return node.target in _INDICES


def _each_by_itself(node: Node) -> bool:
    """Whether each value of the result comes from one at its own place, or from one that is moved there."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
        return False
    pointwise = bool(torch.Tag.pointwise in target.tags)
    return bool(target in _MOVES) or pointwise or "quantize_per_tensor" in str(target)


def step_of(node: Node) -> float:
    """Real units per step of what a node yields; 0 for constants, and where it is not quantized."""
    while node.op == "call_function":
        if is_dequantize(node):
            stored: Any = node.args[0]
            scale: Any = node.args[1]
            return 0.0 if stored.op == "get_attr" else float(scale)
        if node.target not in _MOVES or len(node.all_input_nodes) != 1:
            return 0.0
        node = node.all_input_nodes[0]
    return 0.0
