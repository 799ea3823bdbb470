"""A solution that is already there, as torchao's quantizer: :class:`GivenQuantizer`; and :func:`bind`, which every
quantizer of ours does with the observers of its annotations."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.quantizer import Quantizer

from qnnsolve.annotating.accumulators import bind_accumulators
from qnnsolve.annotating.annotations import mark_cpu_nodes, write_annotations
from qnnsolve.annotating.masks import bind_masks, share_high_constants
from qnnsolve.annotating.maxima import observe_behind_maxima
from qnnsolve.annotating.named_observers import NamedObservers
from qnnsolve.annotating.training import observed
from qnnsolve.constraints import Problem, Site
from qnnsolve.explain import placements
from qnnsolve.results import Placement
from qnnsolve.rewriting.floats import input_casts
from qnnsolve.rewriting.masking import masking
from qnnsolve.rules import Facts
from qnnsolve.solver import Solution

__all__ = ["GivenQuantizer", "bind"]


def bind(model: GraphModule, facts: Facts, observers: MutableMapping[Any, Any], *, training: bool = False) -> None:
    """Tell the observers of a prepared model of one another: masks, accumulators, and what maxima read.

    ``observers`` are torchao's, by node (its output) or by edge (producer, user).
    """
    masks, found = masking(model), observed(observers)
    bind_masks(model, masks, found)
    bind_accumulators(model, facts, found)
    if not training:
        observe_behind_maxima(model, facts, observers)
        share_high_constants(masks, observers)


class GivenQuantizer(Quantizer):  # type: ignore[misc]  # torchao ships no types
    """Annotates a graph as ``solution`` says; ``problem`` was made from ``facts`` about that graph, as it is now.

    After ``prepare_pt2e``, :attr:`observers` has the observer of each site that has one; sites that share one scale
    share one observer.
    """

    def __init__(self, facts: Facts, problem: Problem, solution: Solution) -> None:
        super().__init__()
        self.facts, self.problem, self.solution = facts, problem, solution
        self.observers: dict[Site, Any] = {}

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Return ``model``: it was transformed before it was solved for."""
        return model

    def annotate(self, model: GraphModule) -> GraphModule:
        """Write the solution's annotations."""
        write_annotations(model, self.facts, self.problem, self.solution, masking(model), NamedObservers())
        placed = placements(self.facts, self.solution.encodings)
        mark_cpu_nodes(model, (name for name, place in placed.items() if place is Placement.CPU))
        return model

    def prepare_obs_or_fq_callback(self, model: GraphModule, edge_or_node_to_obs_or_fq: dict[Any, Any]) -> None:
        """Bind the observers, and keep them by site."""
        bind(model, self.facts, edge_or_node_to_obs_or_fq)
        for place in input_casts(model):
            edge_or_node_to_obs_or_fq.pop(place, None)
        self.observers = {_site(place): observer for place, observer in edge_or_node_to_obs_or_fq.items()}

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to validate: what was annotated was solved for."""


def _site(place: Any) -> Site:
    return Site(place.name) if isinstance(place, FxNode) else Site(place[0].name, place[1].name)
