"""Spell out recurrent layers and cells, step by step, in ops that the accelerator has: :func:`unroll`.

ExecuTorch (1.5.1) builds no recurrent op; it takes them apart when it lowers, with nothing quantized in between. Here
the inputs of all steps are projected by one linear layer; only what depends on the state is written out for each step.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.cells import Cell, State, Weights, gru, lstm, rnn
from qnnsolve.rewriting.emitting import Emitter

__all__ = ["UNROLL_LIMIT", "unroll"]

_aten = torch.ops.aten

UNROLL_LIMIT = 128
"""Steps at most, where the user sets no other limit."""

_LAYERS: Mapping[Any, Cell] = MappingProxyType(
    {
        _aten.lstm.input: lstm,
        _aten.gru.input: gru,
        _aten.rnn_tanh.input: rnn(_aten.tanh.default),
        _aten.rnn_relu.input: rnn(_aten.relu.default),
    }
)
_CELLS: Mapping[Any, Cell] = MappingProxyType(
    {
        _aten.lstm_cell.default: lstm,
        _aten.gru_cell.default: gru,
        _aten.rnn_tanh_cell.default: rnn(_aten.tanh.default),
        _aten.rnn_relu_cell.default: rnn(_aten.relu.default),
    }
)
_PACKED = frozenset({_aten.lstm.data, _aten.gru.data, _aten.rnn_tanh.data, _aten.rnn_relu.data})
_ZEROS = frozenset({_aten.zeros.default, _aten.zeros_like.default, _aten.new_zeros.default})


def unroll(model: GraphModule, limit: int = UNROLL_LIMIT) -> GraphModule:
    """Replace, in place, each LSTM, GRU and RNN, and each of their cells, by its steps. Returns ``model``.

    Every node has its fake value, as exported.

    Raises:
        UnsupportedGraphError: a layer of more than ``limit`` steps, over packed sequences, or one that drops values at
            random.
    """
    for node in list(model.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _PACKED:
            raise UnsupportedGraphError(
                node.name, f"{node.target} takes packed sequences; give the layer padded ones, all of one length"
            )
        if node.target in _LAYERS:
            _replace(node, _layers(node, _LAYERS[node.target], limit))
        elif node.target in _CELLS:
            _replace(node, _cell(node, _CELLS[node.target]))
    model.recompile()
    return model


def _cell(node: Node, cell: Cell) -> Sequence[Node]:
    """The state after one step; arguments as aten has them: input, state, weights, biases (or None)."""
    x, before, to_gates, from_state, *biases = node.args
    gate_bias, state_bias = (*biases, None, None)[:2]
    emit, weights = Emitter(node), Weights(to_gates, from_state, gate_bias, state_bias)  # type: ignore[arg-type]  # nodes
    gates, weights = cell.project(emit, x, weights)
    return cell.step(emit, gates, _states(before), weights)  # type: ignore[return-value]  # the state after a step is known


def _layers(node: Node, cell: Cell, limit: int) -> Sequence[Node]:
    """Output and last states; arguments as aten has them, from the input to ``batch_first``."""
    x, before, parameters, has_biases, layers, dropout, train, both_ways, batch_first = node.args
    assert isinstance(x, Node) and isinstance(layers, int)
    time = 1 if batch_first else 0
    steps = x.meta["val"].shape[time]
    if train and dropout and layers > 1:
        raise UnsupportedGraphError(node.name, f"{node.target} drops values: call .eval() before torch.export")
    if steps > limit:
        raise UnsupportedGraphError(
            node.name,
            f"{node.target} takes {steps} steps, and {limit} at most are spelled out for the accelerator; "
            "raise the limit (--unroll, unroll_limit), or run the model on shorter pieces and carry the state",
        )
    emit, directions = Emitter(node), 2 if both_ways else 1
    per_layer = len(parameters) // (layers * directions)  # type: ignore[arg-type]  # a list
    after: list[State] = []
    for layer in range(layers):
        ways = []
        for way in range(directions):
            place = layer * directions + way
            given: Any = parameters[place * per_layer : (place + 1) * per_layer]  # type: ignore[index]
            state = tuple(_part(emit, each, place) for each in _states(before))
            outputs, state = _steps(emit, cell, x, state, Weights.of(given, bool(has_biases)), time, backwards=way == 1)
            after.append(state)
            ways.append(outputs)
        x = ways[0] if len(ways) == 1 else emit(_aten.cat.default, ways, -1)
    last = [emit(_aten.stack.default, list(each)) for each in zip(*after, strict=True)]
    return [x, *last]


def _steps(
    emit: Emitter, cell: Cell, x: Node, state: State, weights: Weights, time: int, *, backwards: bool
) -> tuple[Node, State]:
    """One layer, one way: what it gives out at all steps, in their order, and the state after the last one."""
    gates, weights = cell.project(emit, x, weights)
    outputs: list[Any] = []
    steps = range(x.meta["val"].shape[time])
    for step in reversed(steps) if backwards else steps:
        state = cell.step(emit, emit(_aten.select.int, gates, time, step), state, weights)
        outputs.append(state[0])
    return emit(_aten.stack.default, outputs[::-1] if backwards else outputs, time), state


def _states(given: Any) -> State:
    """The state that a layer starts from; what is known to be zero is None."""
    listed = given if isinstance(given, list | tuple) else [given]
    return tuple(None if each.target in _ZEROS else each for each in listed)


def _part(emit: Emitter, state: Node | None, place: int) -> Node | None:
    return None if state is None else emit(_aten.select.int, state, 0, place)


def _replace(node: Node, results: Sequence[Node]) -> None:
    if isinstance(node.meta["val"], torch.Tensor):
        node.replace_all_uses_with(results[0])
    else:
        for item in list(node.users):
            assert item.target is operator.getitem
            item.replace_all_uses_with(results[item.args[1]])  # type: ignore[index]  # an integer
            node.graph.erase_node(item)
    sources = [source for source in node.all_input_nodes if source.target in _ZEROS]
    node.graph.erase_node(node)
    for source in sources:
        if not source.users:
            node.graph.erase_node(source)
