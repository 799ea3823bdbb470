"""Tensors joined under one encoding that does not fit them all, such as boxes in pixels and scores from 0 to 1.

A concatenation, a stack, a choice by condition or a write into a part has one encoding for all that it joins. The
values of each part are kept in calibration (:func:`watch_joins`), and what one encoding for all leaves of them is
compared with what they have alone (:func:`join_records`).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.recording import Recorder
from qnnsolve.results import JoinedPart, JoinRecord
from qnnsolve.rewriting.masking import masking, moved
from qnnsolve.rewriting.nodes import op_name

__all__ = ["JoinedOutput", "join_records", "record_at", "watch_joins"]

_JOINS = frozenset(("cat", "stack", "where", "masked_fill", "slice_scatter", "select_scatter", "index_put", "scatter"))
POOR_DB = 20.0
"""A part with less says so where alone it would have more, by :data:`GAIN_DB` at least."""
GAIN_DB = 10.0


@attrs.frozen(eq=False)
class JoinedOutput:
    """An op that joins ``parts`` (producer and recorder), the observer of what comes out, and which outputs it is."""

    node: str
    target: str
    observer: Any
    parts: tuple[tuple[str, Recorder], ...]
    outputs: tuple[int, ...]


def watch_joins(model: GraphModule, observers: MutableMapping[Any, Any]) -> tuple[JoinedOutput, ...]:
    """Record what every join reads; ``observers`` are torchao's, by node (its output) or by edge (producer, user).

    Where a mask comes in, what it writes is meant to be out of range.
    """
    masked = masking(model).levels
    found = []
    for node in model.graph.nodes:
        if op_name(node) not in _JOINS or node in masked or node not in observers:
            continue
        joint = observers[node]
        sources = [source for source in node.all_input_nodes if (source, node) in observers]
        if len(sources) > 1:
            parts = tuple((source.name, record_at(source, node, observers)) for source in sources)
            found.append(JoinedOutput(node.name, str(node.target), joint, parts, tuple(_outputs(node))))
    return tuple(found)


def record_at(producer: FxNode, user: FxNode | None, observers: MutableMapping[Any, Any]) -> Recorder:
    """The recorder of what ``user`` reads of ``producer`` (None: of its output), put before the observer there."""
    place = producer if user is None else (producer, user)
    observer = observers[place]
    if isinstance(observer, Recorder):
        return observer
    recorder = Recorder(observer)
    for each in (producer, *((producer, reader) for reader in producer.users)):
        if observers.get(each) is observer:
            observers[each] = recorder
    return recorder


def _outputs(node: FxNode) -> Iterator[int]:
    """The outputs of the model that ``node`` is, moved at most."""
    for user in node.users:
        if user.op == "output":
            leaves = user.args[0] if isinstance(user.args[0], (tuple, list)) else (user.args[0],)
            yield from (index for index, leaf in enumerate(leaves) if leaf is node)
        elif moved(user, node):
            yield from _outputs(user)


def join_records(joins: tuple[JoinedOutput, ...]) -> Iterator[JoinRecord]:
    """The joins with a part that its encoding does not resolve."""
    for join in joins:
        if not all(recorder.peaks for _, recorder in join.parts):
            continue
        scale, zero_point = (each.reshape(-1)[0].double() for each in join.observer.calculate_qparams())
        low, high = join.observer.quant_min, join.observer.quant_max
        bits = int(high - low).bit_length()
        parts = tuple(_part(name, recorder, (scale, zero_point, low, high)) for name, recorder in join.parts)
        if any(part.sqnr_db < POOR_DB and part.alone_db > part.sqnr_db + GAIN_DB for part in parts):
            yield JoinRecord(join.node, join.target, bits, float(scale), join.outputs, parts)


def _part(name: str, recorder: Recorder, grid: tuple[torch.Tensor, torch.Tensor, int, int]) -> JoinedPart:
    """The record of one part. Values beyond the encoding's range do not count: a choice by condition drops them."""
    scale, zero_point, low, high = grid
    steps = high - low
    values = recorder.values().double()
    values = values[((values / scale + zero_point) - (low + high) / 2).abs() <= (steps + 1) / 2]
    values = values if values.numel() else values.new_zeros(1)
    fine = scale * steps / 65535
    least, most = values.min(), values.max()
    own = (most.clamp(min=0.0) - least.clamp(max=0.0)).clamp(min=1e-30) / steps
    return JoinedPart(
        name,
        float(least),
        float(most),
        _decibel(values, scale, (low - zero_point) * scale, steps),
        _decibel(values, own, least.clamp(max=0.0), steps),
        None if steps > 255 else _decibel(values, fine, (low - zero_point) * scale, 65535),
    )


def _decibel(values: torch.Tensor, scale: torch.Tensor, lowest: torch.Tensor, steps: int) -> float:
    """The SQNR of ``values`` in so many steps of ``scale`` from ``lowest`` on; infinite where all are zero."""
    zero = torch.round(-lowest / scale)
    found = ((values / scale).round() + zero).clamp(0, steps) - zero
    noise = (found * scale - values).pow(2).sum()
    return float(10 * torch.log10(values.pow(2).sum() / noise)) if bool(noise > 0) else float("inf")
