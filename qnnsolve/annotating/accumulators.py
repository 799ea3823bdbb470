"""Scales of weights large enough for the chip to multiply with: :func:`bind_accumulators`.

A product is brought to its output's scale by the factor input scale x weight scale / output scale, which the chip can
hold down to a smallest one; and its bias stands in steps of input scale x weight scale, of which an integer holds so
many. What a weight's scale has to be at least is known only after calibration, so a weight's observer looks at those of
the tensors around it (:attr:`qnnsolve.annotating.scales.Scaled.accumulators`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.scales import Scaled
from qnnsolve.facts.curated import LeastFactor
from qnnsolve.rules import Facts
from qnnsolve.rules.request import Role

__all__ = ["Accumulator", "bind_accumulators"]

Observers = Mapping[Any, Any]
"""torchao's observers, by node (its output) or by edge (producer, user); sites that share an encoding share one."""


@attrs.frozen(eq=False)
class Accumulator:
    """What bounds a weight's scale from below. ``source`` observes the product's input, ``results`` every tensor
    that the compiler may have the product write. The bias stands in steps of input scale x weight scale: an integer
    holds ``most`` of them, and they must reach the largest bias (of each channel, or of all)."""

    source: Any
    least: float = 0.0
    results: tuple[Any, ...] = ()
    bias: torch.Tensor | None = None
    most: float = 1.0

    def smallest_scale(self) -> torch.Tensor:
        """Of the weight, or of each of its channels: real units per step."""
        smallest = torch.zeros(1)
        if not _has_seen(self.source):
            return smallest  # in the first step of a training
        if results := [result for result in self.results if _has_seen(result)]:
            largest = torch.stack([_scale(result) for result in results]).max()
            smallest = self.least * largest / _scale(self.source)
        if self.bias is None:
            return smallest
        return torch.maximum(smallest, self.bias / (self.most * _scale(self.source)))


def _has_seen(observer: Any) -> bool:
    """Whether ``observer`` has seen any value."""
    low, high = getattr(observer, "min_val", None), getattr(observer, "max_val", None)
    return low is None or high is None or (low.numel() > 0 and bool((low <= high).all()))


def _scale(observer: Any) -> torch.Tensor:
    scale: torch.Tensor = observer.calculate_qparams()[0]
    return scale.max()


def bind_accumulators(model: GraphModule, facts: Facts, observers: Observers) -> None:
    """Give the observer of each weight (and second operand) that needs it those of the tensors around it."""
    by_name = {node.name: node for node in model.graph.nodes}
    for node, built in facts.calls:
        reader = by_name.get(node.name)
        if reader is None:
            continue  # a convolution that torchao has made one op with its norm, to be trained
        read = {entry.role: by_name.get(str(entry.ref)) for entry in built.inputs if entry.ref is not None}
        edges = {role: (source, reader) for role, source in read.items() if source is not None}
        source, result = observers.get(edges.get(Role.ACTIVATION)), observers.get(reader)
        weight = observers.get(edges.get(Role.WEIGHT, edges.get(Role.OPERAND)))
        if not isinstance(weight, Scaled) or source is None or result is None:
            continue
        for fact in facts.operators.curated.least_factor.get(str(built.op), ()):
            if _bits(weight) <= fact.bits and min(_bits(source), _bits(result)) == fact.width:
                results = dict.fromkeys(_reached(reader, facts, observers, fact))
                weight.bounded_by(Accumulator(source, fact.least, tuple(results)))
        derived, bias = facts.operators.curated.derived.get(str(built.op)), edges.get(Role.BIAS)
        most = None if derived is None else derived.largest.get(_bits(result))
        if bias is not None and most is not None:
            axis = getattr(weight, "ch_axis", None)
            count = 1 if axis is None else edges[Role.WEIGHT][0].meta["val"].shape[axis]
            largest = _largest(attrgetter(bias[0].target)(model), count)
            weight.bounded_by(Accumulator(source, bias=largest, most=most))


def _largest(bias: torch.Tensor, channels: int) -> torch.Tensor:
    """Of each channel of a weight the largest bias, either way: a transposed one has as many as a group has outputs."""
    return bias.detach().float().abs().reshape(-1, channels).amax(0)


def _bits(observer: Any) -> int:
    """Of what is observed; 0 where nothing is."""
    return 0 if observer is None else int(observer.quant_max - observer.quant_min).bit_length()


def _reached(node: FxNode, facts: Facts, observers: Observers, fact: LeastFactor) -> Iterator[Any]:
    """The observers of ``node``'s output, and of what the compiler makes the product write in its place."""
    own = observers[node]
    yield own
    for user in node.users:
        edge, output = observers.get((node, user)), observers.get(user)
        if edge is None or output is None:
            continue
        yield edge  # another than the node's own where a convert stands
        if output in (own, edge) or facts.built[user.name].op in fact.fused:
            yield from _reached(user, facts, observers, fact)
