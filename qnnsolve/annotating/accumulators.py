"""Scales of weights large enough for the chip to multiply with: :func:`bind_accumulators`.

A product is brought to its output's scale by the factor input scale x weight scale / output scale. The chip cannot hold
a factor below a smallest one. The bias counts in steps of input scale x weight scale, and an integer holds only so many
of them. What a weight's scale has to be at least is known only after calibration, so a weight's observer looks at those
of the tensors around it (:attr:`qnnsolve.annotating.scales.Scaled.accumulators`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.scales import Scaled
from qnnsolve.facts.curated import LeastFactor
from qnnsolve.facts.graph import Ref
from qnnsolve.rewriting.bn_folding import is_norm
from qnnsolve.rules import Facts
from qnnsolve.rules.request import Role

__all__ = ["Accumulator", "bind_accumulators"]

Observers = Mapping[Any, Any]
"""torchao's observers, by node (its output) or by edge (producer, user); sites that share an encoding share one."""


@attrs.frozen(eq=False)
class Accumulator:
    """What bounds a weight's scale from below. ``source`` observes the product's input, ``results`` every tensor
    that the compiler may have the product write. The bias counts in steps of input scale x weight scale. An integer
    holds ``most`` of them, and they must reach the largest bias (of each channel, or of all). The bias is read anew
    each time, since training changes it."""

    source: Any
    least: float = 0.0
    results: tuple[Any, ...] = ()
    bias: Callable[[], torch.Tensor] | None = None
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
        return torch.maximum(smallest, self.bias() / (self.most * _scale(self.source)))


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
    joined = _joined_with_norms(model, facts)
    for node, built in facts.calls:
        reader = by_name.get(node.name) or joined.get(node.name)
        if reader is None:
            continue
        norm = _norm_of(reader) if node.name in joined else None
        last = reader if norm is None else norm
        read = {entry.role: by_name.get(str(entry.ref)) for entry in built.inputs if entry.ref is not None}
        edges = {role: (source, reader) for role, source in read.items() if source is not None}
        if norm is not None:
            edges[Role.WEIGHT] = (reader.args[1], reader)
        source, result = observers.get(edges.get(Role.ACTIVATION)), observers.get(last)
        weight = observers.get(edges.get(Role.WEIGHT, edges.get(Role.OPERAND)))
        if not isinstance(weight, Scaled) or source is None or result is None:
            continue
        for fact in facts.operators.curated.least_factor.get(str(built.op), ()):
            if _bits(weight) <= fact.bits and min(_bits(source), _bits(result)) == fact.width:
                results = dict.fromkeys(_reached(last, facts, observers, fact))
                weight.bounded_by(Accumulator(source, fact.least, tuple(results)))
        derived, bias = facts.operators.curated.derived.get(str(built.op)), edges.get(Role.BIAS)
        most = None if derived is None else derived.largest.get(_bits(result))
        if bias is not None and most is not None:
            axis = getattr(weight, "ch_axis", None)
            count = 1 if axis is None else edges[Role.WEIGHT][0].meta["val"].shape[axis]
            values = attrgetter(bias[0].target)(model)
            found = partial(_plain, values) if norm is None else partial(_folded, values, *_statistics(model, norm))
            weight.bounded_by(Accumulator(source, bias=partial(_largest, found, count), most=most))


def _joined_with_norms(model: GraphModule, facts: Facts) -> dict[str, FxNode]:
    """By the name of a convolution that torchao has made one op with its norm, to be trained: that in ``model``.

    It reads the same weight, multiplied by the norm's. Where several read one weight, they stand in the same order.
    """
    present = {node.name for node in model.graph.nodes}
    reads: dict[Ref, list[str]] = {}
    for node, built in facts.calls:
        ref = next((entry.ref for entry in built.inputs if entry.role is Role.WEIGHT), None)
        if ref is not None and node.name not in present:
            reads.setdefault(ref, []).append(node.name)
    found: dict[str, FxNode] = {}
    for node in model.graph.nodes:
        if node.op == "get_attr" and (names := reads.get(Ref(node.name))):
            scaled = [user for user in node.users if user.target is torch.ops.aten.mul.Tensor]
            found |= zip(names, (reader for each in scaled for reader in each.users), strict=False)
    return found


def _norm_of(convolution: FxNode) -> FxNode | None:
    """The norm that a convolution is one op with: what it yields goes there, divided and with its bias, alone."""
    node = convolution
    while not is_norm(node):
        if len(node.users) != 1:
            return None
        (node,) = node.users
    return node


def _statistics(model: GraphModule, norm: Any) -> tuple[Any, ...]:
    """Weight, bias, mean and variance of a norm, as they stand whenever they are read, and its least variance."""
    weight, bias, mean, variance = (
        default if each is None else attrgetter(each.target)(model)
        for each, default in zip(norm.args[1:5], (1.0, 0.0, 0.0, 1.0), strict=True)
    )
    return weight, bias, mean, variance, norm.args[7 if norm.target is torch.ops.aten.batch_norm.default else 6]


def _plain(bias: torch.Tensor) -> torch.Tensor:
    return bias


def _folded(bias: torch.Tensor, weight: Any, shift: Any, mean: Any, variance: Any, least: float) -> torch.Tensor:
    """The bias of a convolution once its norm is folded into it."""
    made: torch.Tensor = (bias - mean) * weight / (variance + least) ** 0.5 + shift
    return made


def _largest(bias: Callable[[], torch.Tensor], channels: int) -> torch.Tensor:
    """Of each channel of a weight the largest bias, either way: a transposed one has as many as a group has outputs."""
    return bias().detach().float().abs().reshape(-1, channels).amax(0)


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
