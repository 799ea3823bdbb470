"""Attention masks, and the scores that they are added to: where they are, and how little of a range a mask needs.

What is masked has to be so low that a softmax makes nothing of it, and no lower: in 8 bits a range down to -255 leaves
steps of 1.0 for whatever else a mask says, such as a bias by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.constraints import Site
from qnnsolve.observers import MaskObserver
from qnnsolve.rules import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.solver import Solution

__all__ = ["bind_masks", "masks_and_scores", "softmax_inputs"]


def softmax_inputs(facts: Facts, solution: Solution) -> Iterator[tuple[tuple[Site, ...], int]]:
    """Groups of sites that nothing but a softmax reads, and the dimension along which it does."""
    group_of = {site: group for group in solution.groups for site in group}
    for node, built in facts.calls:
        ref, dim = built.inputs[0].ref if built.op == "Softmax" else None, node.argument(1, "dim")
        chain: set[Site] = set()
        reader = node.name
        while ref is not None and facts.graph.users[ref] == (reader,):
            chain |= {Site(ref, reader), Site(ref)}
            before = facts.built.get(ref)
            through = before is not None and before.fate is Fate.IDENTITY
            reader, ref = ref, before.inputs[0].ref if before is not None and through else None
        edge = next((site for site in chain if site.user == node.name), None)
        if isinstance(dim, int) and edge is not None and chain.issuperset(group_of.get(edge, (Site(""),))):
            yield group_of[edge], dim


_SUMS = ("ElementWiseAdd", "ElementWiseSubtract")


def masks_and_scores(
    facts: Facts, solution: Solution, softmaxed: Iterable[tuple[Site, ...]]
) -> Iterator[tuple[Site, ...]]:
    """Groups of sites that nothing reads but sums for a softmax: masks, and the scores that they are added to."""
    sums = {site.node for group in softmaxed for site in group if not site.user}
    sums = {name for name in sums if name in facts.built and facts.built[name].op in _SUMS}
    names: set[str] = set()
    for node in reversed(list(facts.graph)):
        users = facts.graph.users[node.name]
        if users and all(user in sums or (user in names and _carries(facts, user)) for user in users):
            names.add(node.name)
    for group in solution.groups:
        if all(site.node in names for site in group):
            yield group


def _carries(facts: Facts, name: str) -> bool:
    """Whether a call passes its first input on, moved at most; a slice may bring it to another scale on the way."""
    built = facts.built[name]
    if built.fate is Fate.IDENTITY or built.op == "StridedSlice":
        return True
    output = len(built.inputs)
    return {0, output} <= facts.shared(str(built.op), facts.form(facts.graph[name], built), output)[0]


def bind_masks(model: GraphModule, facts: Facts, observers: Mapping[Any, Any]) -> None:
    """Tell the observer of each mask which scores it is added to, or they subtracted from.

    ``observers`` are torchao's, by node (its output) or by edge (producer, user).
    """
    for node in model.graph.nodes:
        op = facts.built[node.name].op if node.name in facts.built else None
        if op not in _SUMS or len(node.all_input_nodes) != 2:
            continue
        first, second = node.all_input_nodes
        for side, other in ((first, second), (second, first))[: 1 if op == "ElementWiseSubtract" else 2]:
            scores = observers.get((other, node))
            for observer in _on_the_way(side, node, facts, observers):
                if scores is not None and observer is not scores:
                    observer.scores.append(scores)


def _on_the_way(source: FxNode, reader: FxNode, facts: Facts, observers: Mapping[Any, Any]) -> Iterator[MaskObserver]:
    """The observers of a mask, from where it is added back to where it comes from."""
    found: dict[MaskObserver, None] = {}
    while True:
        for place in ((source, reader), source):
            if isinstance(observers.get(place), MaskObserver):
                found[observers[place]] = None
        if source.name not in facts.built or not _carries(facts, source.name):
            break
        source, reader = source.all_input_nodes[0], source
    yield from found
