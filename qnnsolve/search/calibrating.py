"""Scales and zero points of every encoding that a search may choose: one calibration for all candidates.

Each uniform config is prepared and converted as an export would, so that ranges are found by the very observers that
will find them again: masks, accumulators, shared groups and all. Observers hand on what they see, so the float model
runs once over the samples and shows its values to those of all candidates. The converted models are measured, too: they
anchor what the search predicts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import attrs
import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.annotating.given import GivenQuantizer
from qnnsolve.annotating.specs import observer_of
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.pipeline.steps import converted_model
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.seeing import Seeing
from qnnsolve.search.spaces import Space, Uniform
from qnnsolve.verification.unquantized import is_observer
from qnnsolve.verification.verify import restored

__all__ = ["Calibrated", "Watched", "copy_of", "realised"]

Sample = tuple[Any, ...]


@attrs.frozen(eq=False)
class Calibrated:
    """``roundings`` by site and encoding; ``converted``: what was made of the converted model of each uniform config,
    by name."""

    roundings: Mapping[tuple[Site, Encoding], Rounding]
    converted: Mapping[str, Any]


def copy_of(model: GraphModule) -> GraphModule:
    """Another graph over the same weights."""
    return GraphModule(model, copy.deepcopy(model.graph))


def realised(
    model: GraphModule, quantizer: GivenQuantizer, samples: Sequence[Sample], stages: Stages | None = None
) -> GraphModule:
    """The converted model of the quantizer's solution, with the ranges that ``samples`` show; ``model`` stays."""
    return converted_model(copy_of(model), list(samples), quantizer, stages or Stages())


@attrs.frozen(eq=False)
class Watched:
    """The uniform configs of a space, each prepared and its observers shown the samples; and what the float model
    answered to them, one pass over each sample for all of it."""

    outputs: tuple[Mapping[str, torch.Tensor], ...]
    """By sample; see :meth:`Seeing.outputs`."""
    passes: int
    """Forward passes over a sample that it took."""
    _model: GraphModule
    _space: Space
    _prepared: tuple[tuple[Uniform, GivenQuantizer, GraphModule], ...]

    @classmethod
    def of(cls, model: GraphModule, space: Space, samples: Sequence[Sample], stages: Stages | None = None) -> Watched:
        """Run ``model``, the transformed graph of ``space``, once over ``samples``."""
        stages, prepared = stages or Stages(), []
        with restored(tuple(model.buffers())):
            with stages("prepare"):
                for uniform in space.uniforms:
                    quantizer = GivenQuantizer(uniform.facts, uniform.problem, uniform.solution)
                    prepared.append((uniform, quantizer, prepare_pt2e(copy_of(model), quantizer)))
            runner = _Watching(model, _observers([each for _, _, each in prepared]))
            outputs = []
            with stages("calibrate", len(samples)), torch.no_grad():
                for done, sample in enumerate(samples):
                    stages.step("calibrate", done, len(samples))
                    outputs.append({name: value.clone() for name, value in runner.outputs(sample).items()})
        return cls(tuple(outputs), len(samples), model, space, tuple(prepared))

    def calibrated(
        self, measure: Callable[[Uniform, GraphModule], Any] | None = None, stages: Stages | None = None
    ) -> Calibrated:
        """Scales and zero points of every encoding, and what ``measure`` makes of each converted uniform config."""
        stages, found = stages or Stages(), dict[str, Any]()
        roundings: dict[tuple[Site, Encoding], Rounding] = {}
        observers: dict[Site, Any] = {}
        known: dict[tuple[int, Encoding], Rounding] = {}
        for uniform, quantizer, prepared in self._prepared:
            for site, observer in quantizer.observers.items():
                encoding = uniform.solution.encodings.get(site)
                if encoding is None or not encoding.quantized or not hasattr(observer, "calculate_qparams"):
                    continue
                if (site, encoding) not in roundings:
                    if (id(observer), encoding) not in known:
                        known[id(observer), encoding] = Rounding.of(encoding, observer)
                    roundings[site, encoding] = known[id(observer), encoding]
                observers.setdefault(site, observer)
            if measure is not None:
                with restored(tuple(prepared.buffers())), stages("convert"):
                    converted = convert_pt2e(prepared)
                found[uniform.name] = measure(uniform, converted)
        self._mix(roundings, observers)
        return Calibrated(roundings, found)

    def _mix(self, roundings: dict[tuple[Site, Encoding], Rounding], observers: Mapping[Site, Any]) -> None:
        """Add encodings that no uniform config has."""
        model = self._model
        constants = {node.name: node.target for node in model.graph.nodes if node.op == "get_attr"}
        for site, encodings in self._space.choices.items():
            for encoding in encodings:
                if encoding.quantized and (site, encoding) not in roundings and site in observers:
                    weight = attrgetter(constants[site.node])(model) if site.node in constants else None
                    roundings[site, encoding] = _again(encoding, observers[site], weight)


class _Watching(Seeing):
    """Shows each node's value to its observers."""

    def __init__(self, model: GraphModule, observers: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(model, (), lambda _, x: x)
        self._observers = observers

    def run_node(self, n: Node) -> Any:
        """The value of ``n``."""
        value = super().run_node(n)
        for observer in self._observers.get(n.name, ()):
            observer(value)
        return value


def _observers(prepared: Sequence[GraphModule]) -> dict[str, list[Any]]:
    """The observers of all prepared models, by the node whose value each is shown."""
    found: dict[str, list[Any]] = {}
    for model in prepared:
        for node in model.graph.nodes:
            if is_observer(node):
                source = node.args[0]
                while is_observer(source):
                    source = source.args[0]
                found.setdefault(source.name, []).append(model.get_submodule(node.target))
    return found


def _again(encoding: Encoding, observer: Any, weight: torch.Tensor | None) -> Rounding:
    """The rounding of an encoding that no uniform config has at a site: of the ``weight`` there, or from the extremes
    that ``observer`` saw."""
    other = observer_of(encoding)
    other(_extremes(getattr(observer, "observer", observer)) if weight is None else weight.detach())
    return Rounding.of(encoding, other)


def _extremes(observer: Any) -> torch.Tensor:
    """The least and the largest value that the observer saw, or stands for where it sees none."""
    if hasattr(observer, "min_val"):
        return torch.stack([observer.min_val.amin(), observer.max_val.amax()])
    scale, zero_point = observer.calculate_qparams()
    ends = torch.tensor([observer.quant_min, observer.quant_max])
    reals: torch.Tensor = ((ends - zero_point.reshape(-1)[0]) * scale.reshape(-1)[0]).float()
    return reals
