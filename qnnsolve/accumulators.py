"""Weights that are not too small for the chip to multiply with: :func:`bind_accumulators`.

A product is brought to its output's scale by the factor input scale x weight scale / output scale, which the chip can
hold down to a smallest one. What a weight's scale has to be at least is known only after calibration, so a weight's
observer looks at those of the tensors around it (:attr:`qnnsolve.observers.Scaled.accumulator`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.facts.curated import LeastFactor
from qnnsolve.observers import Scaled
from qnnsolve.rules import Facts
from qnnsolve.rules.request import Role

__all__ = ["Accumulator", "bind_accumulators"]

Observers = Mapping[Any, Any]
"""torchao's observers, by node (its output) or by edge (producer, user); sites that share an encoding share one."""


@attrs.frozen(eq=False)
class Accumulator:
    """The observers of a product's input (``source``), and of all that its accumulator may be brought to directly."""

    least: float
    source: Any
    results: tuple[Any, ...]

    def smallest_scale(self) -> torch.Tensor:
        """Of the weight: real units per step, such that no factor is less than ``least``."""
        largest = torch.stack([_scale(result) for result in self.results]).max()
        return self.least * largest / _scale(self.source)


def _scale(observer: Any) -> torch.Tensor:
    scale: torch.Tensor = observer.calculate_qparams()[0]
    return scale.max()


def bind_accumulators(model: GraphModule, facts: Facts, observers: Observers) -> None:
    """Give the observer of each weight (and second operand) that needs it those of the tensors around it."""
    by_name = {node.name: node for node in model.graph.nodes}
    for node, built in facts.calls:
        fact = facts.operators.curated.least_factor.get(str(built.op))
        reader = by_name[node.name]
        if fact is None:
            continue
        edges = {entry.role: (by_name[str(entry.ref)], reader) for entry in built.inputs if entry.ref is not None}
        source, result = observers.get(edges.get(Role.ACTIVATION)), observers.get(reader)
        weight = observers.get(edges.get(Role.WEIGHT, edges.get(Role.OPERAND)))
        if isinstance(weight, Scaled) and _bits(weight) <= fact.bits < min(_bits(source), _bits(result)):
            results = dict.fromkeys(_reached(reader, facts, observers, fact))
            weight.accumulator = Accumulator(fact.least, source, tuple(results))


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
