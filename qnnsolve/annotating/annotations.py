"""A solution, written into a graph as torchao's annotations: :func:`write_annotations`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, partial
from typing import Any

import attrs
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpecBase, SharedQuantizationSpec
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from qnnsolve.annotating.composing import kept_as_annotated
from qnnsolve.annotating.endless import refuse_endless
from qnnsolve.annotating.groups import Groups, bounds_of, floors_of, halvings_of, named_of
from qnnsolve.annotating.masks import mask_bounds, softmax_inputs
from qnnsolve.annotating.named_observers import NamedObservers
from qnnsolve.annotating.observers import Bounds
from qnnsolve.annotating.specs import bias_spec, concrete_spec, halved_spec, made
from qnnsolve.annotating.training import training_spec
from qnnsolve.constraints import Derived, Problem, Same, Site, of_type
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE
from qnnsolve.rewriting.masking import Masking
from qnnsolve.rules import Facts
from qnnsolve.rules.htp import FOLDED
from qnnsolve.solver import Solution

__all__ = ["mark_cpu_nodes", "write_annotations"]


def write_annotations(
    model: GraphModule,
    facts: Facts,
    problem: Problem,
    solution: Solution,
    masked: Masking,
    observers: NamedObservers,
    folding: Collection[str] | None = None,
) -> None:
    """Annotate every node of ``model`` as ``solution`` says; ``problem`` was made from ``facts`` about it.

    ``masked`` says where its masks are, and ``observers`` are those that wishes name. Where the model is to be trained,
    ``folding`` are the norms that are then folded into the convolutions before them, and everything is quantized by
    fake quantization.

    Raises:
        UnsupportedGraphError: a constant that has an encoding is infinite, and no mask.
        UnknownNameError: a wish names an observer that does not exist.
        UsageError: a wish names an observer that cannot observe what has this encoding.
    """
    refuse_endless(model, masked.hidden, solution.encodings)
    by_name = {node.name: node for node in model.graph.nodes}
    derived = {c.site: c for c in of_type(problem.constraints, Derived)}
    inside = {site for name in folding or () for site in _inside(facts, name)}
    order = {site: place for place, site in enumerate(_iteration_order(facts)) if site not in inside}
    groups = Groups.of(solution.groups, order)
    masks = dict(mask_bounds(masked, groups))
    bounds = dict(masks)
    for sites in [c.sites for c in of_type(problem.constraints, Same, FOLDED)]:
        leader = groups.leader_of[sites[0]]
        bounds[leader] = bounds_of(facts.graph[sites[-1].node], masks.get(leader, Bounds()))
    for leader, dim in softmax_inputs(facts, groups):
        bounds[leader] = attrs.evolve(masks.get(leader, Bounds()), softmax_dim=dim)
    floors, halvings = floors_of(facts, solution, groups), halvings_of(facts, solution, groups)
    named = named_of(facts, groups, order)
    training = None if folding is None else training_spec
    writer = _Writer(
        facts,
        facts.operators.multiplier_bits,
        solution,
        groups,
        derived,
        bounds,
        floors,
        halvings,
        named,
        observers,
        by_name,
        inside,
        training,
    )
    with kept_as_annotated(model):
        for node in facts.inputs:
            writer.annotate_input(by_name[node.name])
        writer.annotate_calls()


def mark_cpu_nodes(model: GraphModule, cpu_nodes: Iterable[str]) -> None:
    """Mark the nodes that the solution leaves on the CPU, so that lowering does; a mark of an earlier one is gone."""
    by_name = {node.name: node for node in model.graph.nodes}
    for node in by_name.values():
        node.meta.get("custom", {}).pop(CPU_KEY, None)
    for name in cpu_nodes:
        by_name[name].meta.setdefault("custom", {})[CPU_KEY] = CPU_VALUE


def _inside(facts: Facts, norm: str) -> tuple[Site, Site]:
    """The output of the convolution before ``norm``, and the edge between the two."""
    convolution = str(facts.built[norm].inputs[0].ref)
    return Site(convolution), Site(convolution, norm)


def _iteration_order(facts: Facts) -> list[Site]:
    """Sites as torchao meets them: per node its input edges in argument order, then its output.

    The concrete spec of a sharing group has to sit on the first of them (torchao 0.18 ``prepare.py``).
    """
    found = [Site(node.name) for node in facts.inputs]
    for name in facts.built:
        found += facts.kinds.edges(name)
        found.append(facts.kinds.output(name))
    return found


def _try_observer(spec: QuantizationSpecBase, name: str, site: Site, encoding: Encoding) -> None:
    """Make the observer once, as torchao does: those of whole tensors raise where channels are observed."""
    try:
        made(spec)
    except (NotImplementedError, TypeError) as error:
        why = " ".join(str(error).split())
        raise UsageError(f"observer {name} at {site}, which is {encoding.name}: {why}") from error


@attrs.frozen(eq=False, slots=False)
class _Writer:
    """``bounds``, ``floors``, ``halvings`` and ``named`` (the observers that are asked for) are of groups, by the site
    of each that carries its spec: the leader."""

    facts: Facts
    multiplier_bits: int | None
    solution: Solution
    groups: Groups
    derived: Mapping[Site, Derived]
    bounds: Mapping[Site, Bounds]
    floors: Mapping[Site, float]
    halvings: Mapping[Site, int]
    named: Mapping[Site, str]
    observers: NamedObservers
    by_name: Mapping[str, FxNode]
    inside: Collection[Site]
    """Sites between a convolution and its norm, where nothing is quantized."""
    training: Callable[[QuantizationSpecBase], QuantizationSpecBase] | None
    plain: dict[int, QuantizationSpecBase] = attrs.field(factory=dict, init=False)
    """What groups have that need nothing but their encoding, by its ``id`` (the solution keeps it)."""

    @cached_property
    def specs(self) -> dict[Site, QuantizationSpecBase]:
        """That of every site that is quantized: a group's leader has the group's, the others share it."""
        encodings, found = self.solution.encodings, {}
        quantized = {id(each): each.quantized for each in encodings.values()}
        special = self.bounds.keys() | self.floors.keys() | self.halvings.keys() | self.named.keys()
        for leader, group in self.groups.led_by.items():
            encoding = encodings[leader]
            if not quantized[id(encoding)]:
                continue
            if len(group) > 1:
                found.update(dict.fromkeys(group, SharedQuantizationSpec(self._edge_or_node(leader))))
            if leader not in self.derived:
                spec = self._concrete(leader, encoding) if leader in special else self._plain(encoding)
                found[leader] = spec if self.training is None else self.training(spec)
        for site in self.derived:
            if encodings[site].quantized:
                found[site] = bias_spec(self.by_name[site.user], encodings[site])
        return {site: spec for site, spec in found.items() if site not in self.inside} if self.inside else found

    def annotate_calls(self) -> None:
        """Write the annotation of every call; implicit sharing is off, since the solution says what is shared."""
        specs, kinds, by_name = self.specs, self.facts.kinds, self.by_name
        for name in self.facts.built:
            inputs = {}
            for edge in kinds.edges(name):
                spec = specs.get(edge)
                if spec is not None:
                    inputs[by_name[edge.node]] = spec
            output = specs.get(kinds.output(name))
            if inputs or output is not None:
                by_name[name].meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(inputs, output, False, True)

    def annotate_input(self, node: FxNode) -> None:
        """One observer for an input of the graph: ExecuTorch declares one encoding for it, whatever its users read."""
        output = self.specs.get(Site(node.name))
        if output is not None:
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                output_qspec=output, allow_implicit_sharing=False, _annotated=True
            )

    def _plain(self, encoding: Encoding) -> QuantizationSpecBase:
        spec = self.plain.get(id(encoding))
        if spec is None:
            spec = self.plain[id(encoding)] = concrete_spec(encoding, multiplier_bits=self.multiplier_bits)
        return spec

    def _concrete(self, site: Site, encoding: Encoding) -> QuantizationSpecBase:
        halvings = self.halvings.get(site, 0)
        if halvings:
            return halved_spec(encoding, halvings)
        bounds, floor, name = self.bounds.get(site), self.floors.get(site, 0.0), self.named.get(site)
        if bounds is None and name is None and not floor:
            return self._plain(encoding)
        picked = None if name is None else partial(self.observers.factory, name)
        spec = concrete_spec(encoding, bounds, floor, self.multiplier_bits, picked)
        if name is not None:
            _try_observer(spec, name, site, encoding)
        return spec

    def _edge_or_node(self, site: Site) -> Any:
        node = self.by_name[site.node]
        return (node, self.by_name[site.user]) if site.user else node
