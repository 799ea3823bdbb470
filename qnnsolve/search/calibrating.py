"""Scales and zero points of every encoding that a search may choose: one calibration per candidate.

Each uniform config is prepared, calibrated and converted as an export would, so that ranges are found by the very
observers that will find them again: masks, accumulators, shared groups and all. The converted models are measured, too:
they anchor what the search predicts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import attrs
import torch
from torch.fx import GraphModule

from qnnsolve.annotating.given import GivenQuantizer
from qnnsolve.annotating.specs import observer_of
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.pipeline.steps import converted_model
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.spaces import Space, Uniform

__all__ = ["Calibrated", "calibrated", "copy_of", "realised"]

Sample = tuple[Any, ...]


@attrs.frozen(eq=False)
class Calibrated:
    """``roundings`` by site and encoding; ``converted``: the converted model of each uniform config, by name, or what
    was made of it."""

    roundings: Mapping[tuple[Site, Encoding], Rounding]
    converted: Mapping[str, Any]
    passes: int
    """Forward passes over a sample that it took."""


def copy_of(model: GraphModule) -> GraphModule:
    """Another graph over the same weights."""
    return GraphModule(model, copy.deepcopy(model.graph))


def realised(
    model: GraphModule, quantizer: GivenQuantizer, samples: Sequence[Sample], stages: Stages | None = None
) -> GraphModule:
    """The converted model of the quantizer's solution, with the ranges that ``samples`` show; ``model`` stays."""
    return converted_model(copy_of(model), list(samples), quantizer, stages or Stages())


def calibrated(
    model: GraphModule,
    space: Space,
    samples: Sequence[Sample],
    stages: Stages | None = None,
    measure: Callable[[Uniform, GraphModule], Any] | None = None,
) -> Calibrated:
    """Calibrate ``model``, the transformed graph of ``space``, once per candidate.

    With ``measure`` the converted models are not kept, but what it makes of each.
    """
    roundings: dict[tuple[Site, Encoding], Rounding] = {}
    observers: dict[Site, Any] = {}
    found: dict[str, Any] = {}
    known: dict[tuple[int, Encoding], Rounding] = {}
    for uniform in space.uniforms:
        quantizer = GivenQuantizer(uniform.facts, uniform.problem, uniform.solution)
        converted = realised(model, quantizer, samples, stages)
        found[uniform.name] = converted if measure is None else measure(uniform, converted)
        for site, observer in quantizer.observers.items():
            encoding = uniform.solution.encodings.get(site)
            if encoding is None or not encoding.quantized or not hasattr(observer, "calculate_qparams"):
                continue
            if (site, encoding) not in roundings:
                if (id(observer), encoding) not in known:
                    known[id(observer), encoding] = Rounding.of(encoding, observer)
                roundings[site, encoding] = known[id(observer), encoding]
            observers.setdefault(site, observer)
    constants = {node.name: node.target for node in model.graph.nodes if node.op == "get_attr"}
    for site, encodings in space.choices.items():
        for encoding in encodings:
            if encoding.quantized and (site, encoding) not in roundings and site in observers:
                weight = attrgetter(constants[site.node])(model) if site.node in constants else None
                roundings[site, encoding] = _again(encoding, observers[site], weight)
    return Calibrated(roundings, found, len(samples) * len(space.uniforms))


def _again(encoding: Encoding, observer: Any, weight: torch.Tensor | None) -> Rounding:
    """The rounding of an encoding that no uniform config has at a site: of the ``weight`` there, or from the extremes
    that ``observer`` saw."""
    seen = getattr(observer, "observer", observer)
    other = observer_of(encoding)
    other(torch.stack([seen.min_val.amin(), seen.max_val.amax()]) if weight is None else weight.detach())
    return Rounding.of(encoding, other)
