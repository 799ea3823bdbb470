"""One step of each recurrent cell, after torch's definitions: :data:`lstm`, :data:`gru`, :func:`rnn`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import torch
from torch.fx import Node

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["Cell", "State", "Weights", "gru", "lstm", "rnn"]

_aten = torch.ops.aten

State: TypeAlias = tuple[Node | None, ...]
"""Hidden state ``[batch, hidden]``, and for an LSTM the cell's; None where it is zero."""


@attrs.frozen
class Weights:
    """Of one layer, one way, as torch has them; each a node."""

    gates: Node
    """``[gates * hidden, input]``."""
    state: Node
    """``[gates * hidden, output]``."""
    gate_bias: Node | None = None
    state_bias: Node | None = None
    projection: Node | None = None
    """``[output, hidden]``, of an LSTM whose output is smaller than its cell."""
    candidate: Node | None = None
    """``[hidden, output]``: of a GRU, the last third of ``state``, which then holds the others."""

    @classmethod
    def of(cls, given: Sequence[Node], has_biases: bool) -> Weights:
        """From torch's flat list: two weights, two biases, a projection, the last two where there are such."""
        biases, rest = (given[2:4], given[4:]) if has_biases else ((None, None), given[2:])
        return cls(given[0], given[1], biases[0], biases[1], rest[0] if rest else None)


@attrs.frozen
class Cell:
    """How a layer projects its inputs, and what it makes of one step."""

    project: Callable[[Emitter, Any, Weights], tuple[Node, Weights]]
    """Of ``[..., input]`` what each step takes, ``[..., gates * hidden]``; and the weights that are left for it."""
    step: Callable[[Emitter, Node, State, Weights], State]
    """The state after one step, of what it takes and the state before; the output is the first of the state."""


def _project(emit: Emitter, x: Any, weights: Weights) -> tuple[Node, Weights]:
    """Both biases in one, so that the state's part needs none: its scale would be another at every step."""
    both = [bias for bias in (weights.gate_bias, weights.state_bias) if bias is not None]
    bias = emit.folded(_aten.add.Tensor, *both) if len(both) == 2 else both[0] if both else None
    return emit(_aten.linear.default, x, weights.gates, bias), attrs.evolve(weights, gate_bias=None, state_bias=None)


def _with_state(emit: Emitter, gates: Node, hidden: Node | None, weights: Weights) -> Node:
    if hidden is None:
        return gates
    return emit(_aten.add.Tensor, gates, emit(_aten.linear.default, hidden, weights.state))


def _lstm(emit: Emitter, gates: Node, state: State, weights: Weights) -> State:
    hidden, cell = state
    parts = _split(emit, _with_state(emit, gates, hidden, weights), 4)
    enters, keeps, leaves = (emit(_aten.sigmoid.default, parts[index]) for index in (0, 1, 3))
    new = emit(_aten.mul.Tensor, enters, emit(_aten.tanh.default, parts[2]))
    cell = new if cell is None else emit(_aten.add.Tensor, emit(_aten.mul.Tensor, keeps, cell), new)
    hidden = emit(_aten.mul.Tensor, leaves, emit(_aten.tanh.default, cell))
    if weights.projection is not None:
        hidden = emit(_aten.linear.default, hidden, weights.projection)
    return hidden, cell


def _project_gru(emit: Emitter, x: Any, weights: Weights) -> tuple[Node, Weights]:
    """The state's bias of the candidate stays with the step, which scales it; those of the gates need not."""
    for_gates, for_candidate = _rows(emit, weights.state)
    left = attrs.evolve(weights, state=for_gates, candidate=for_candidate)
    if weights.gate_bias is None or weights.state_bias is None:
        return emit(_aten.linear.default, x, weights.gates, weights.gate_bias), left
    gates, candidate = _rows(emit, weights.state_bias)
    own, rest = _rows(emit, weights.gate_bias)
    bias = emit.folded(_aten.cat.default, [emit.folded(_aten.add.Tensor, own, gates), rest])
    return emit(_aten.linear.default, x, weights.gates, bias), attrs.evolve(left, state_bias=candidate)


def _rows(emit: Emitter, weight: Node) -> tuple[Node, Node]:
    """The rows of a GRU's two gates, and those of its candidate."""
    rows = weight.meta["val"].shape[0]
    cut = rows // 3 * 2
    first, last = ((0, cut), (cut, rows))
    return emit.folded(_aten.slice.Tensor, weight, 0, *first), emit.folded(_aten.slice.Tensor, weight, 0, *last)


def _gru(emit: Emitter, gates: Node, state: State, weights: Weights) -> State:
    """With resets, updates and the candidate quantized each by itself."""
    (hidden,) = state
    width = gates.meta["val"].shape[-1] // 3
    both = emit(_aten.slice.Tensor, gates, -1, 0, 2 * width)
    candidate = emit(_aten.slice.Tensor, gates, -1, 2 * width, 3 * width)
    remembered: Any = weights.state_bias
    if hidden is not None:
        both = emit(_aten.add.Tensor, both, emit(_aten.linear.default, hidden, weights.state))
        remembered = emit(_aten.linear.default, hidden, weights.candidate, weights.state_bias)
    reset, update = _split(emit, emit(_aten.sigmoid.default, both), 2)
    if remembered is not None:
        candidate = emit(_aten.add.Tensor, candidate, emit(_aten.mul.Tensor, reset, remembered))
    new = emit(_aten.tanh.default, candidate)
    difference = emit(_aten.neg.default, new) if hidden is None else emit(_aten.sub.Tensor, hidden, new)
    return (emit(_aten.add.Tensor, emit(_aten.mul.Tensor, difference, update), new),)


def _split(emit: Emitter, tensor: Node, parts: int) -> list[Node]:
    """Equal parts of the last dimension."""
    width = tensor.meta["val"].shape[-1] // parts
    return [emit(_aten.slice.Tensor, tensor, -1, part * width, (part + 1) * width) for part in range(parts)]


lstm, gru = Cell(_project, _lstm), Cell(_project_gru, _gru)


def rnn(nonlinearity: Any) -> Cell:
    """A cell of one gate, with ``nonlinearity`` an aten overload."""

    def step(emit: Emitter, gates: Node, state: State, weights: Weights) -> State:
        return (emit(nonlinearity, _with_state(emit, gates, state[0], weights)),)

    return Cell(_project, step)
