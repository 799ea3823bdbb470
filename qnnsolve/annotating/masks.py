"""Attention masks, and the scores that they are added to: where they are, and how little of a range a mask needs.

Masked values must be low enough that a softmax makes zero of them, and no lower. At 8 bits a range down to -255 has
steps of 1.0, which is too coarse for other contents of a mask, such as a bias by position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.groups import Groups
from qnnsolve.annotating.mask_observers import MaskObserver, Way
from qnnsolve.annotating.observers import Bounded, Bounds, TensorObserver, Unobserved
from qnnsolve.constraints import Site
from qnnsolve.rewriting.floats import is_cast
from qnnsolve.rewriting.masking import BESIDE, Masking, factor_of
from qnnsolve.rewriting.nodes import op_name
from qnnsolve.rules import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.kinds import becoming

__all__ = ["bind_masks", "mask_bounds", "share_high_constants", "softmax_inputs"]


def softmax_inputs(facts: Facts, groups: Groups) -> Iterator[tuple[Site, int]]:
    """Groups of sites that nothing but a softmax reads, and the dimension along which it does."""
    for node, built in becoming(facts, "Softmax"):
        ref, dim = built.inputs[0].ref, node.argument(1, "dim")
        chain: set[Site] = set()
        reader = node.name
        while ref is not None and facts.graph.users[ref] == (reader,):
            chain |= {Site(ref, reader), Site(ref)}
            before = facts.built.get(ref)
            through = before is not None and before.fate is Fate.IDENTITY
            reader, ref = ref, before.inputs[0].ref if before is not None and through else None
        edge = next((site for site in chain if site.user == node.name), None)
        leader = None if edge is None else groups.leader_of.get(edge)
        if isinstance(dim, int) and leader is not None and chain.issuperset(groups.led_by[leader]):
            yield leader, dim


def mask_bounds(masking: Masking, groups: Groups) -> Iterator[tuple[Site, Bounds]]:
    """Groups of sites that a mask can reach, and where it lies in them."""
    levels = {node.name: (level, masking.hidden[node]) for node, level in masking.levels.items()}
    reached = [Site(node.name, user) for node in masking.levels for user in ("", *(user.name for user in node.users))]
    for leader in dict.fromkeys(groups.leader_of[site] for site in reached if site in groups.leader_of):
        found = [levels[site.node] for site in groups.led_by[leader] if site.node in levels]
        yield leader, Bounds(mask=min(level for level, _ in found), sign=found[0][1])


def bind_masks(model: GraphModule, found: Masking, observers: Mapping[Any, Any]) -> None:
    """Tell the observer of each mask what lies between it and a softmax, and from which inputs alone a mask can come.

    ``found`` are the masks of ``model``; ``observers`` are torchao's, by node (its output) or by edge (producer, user).
    """
    ways: dict[FxNode, list[Way]] = {}
    for node in reversed(model.graph.nodes):
        if node not in found.hidden:
            continue
        ways[node] = [way for user in node.users for way in _ways(node, user, found, ways, observers)][:_WAYS]
        places = (node, *((node, user) for user in node.users))
        for observer in {each for place in places if isinstance(each := observers.get(place), MaskObserver)}:
            observer.ways.extend(ways[node])
            if found.factors(node):
                observer.product = observers.get(next(iter(node.users)))
    for bounded, brought in _brought(found, observers).items():
        bounded.fed = [each for node in brought for each in _observers_of(node, observers)]


def share_high_constants(found: Masking, observers: MutableMapping[Any, Any]) -> None:
    """Quantize a constant that masks from above as what it is written into, which saturates in torch.

    In an encoding of its own, 1e9 has to be brought to one that is 2**25 times as fine. V68 and V69 make garbage of it
    (HTP emulator, QNN 2.51: ``softmax(-x.masked_fill(mask, 1e9))`` had -2 dB of 78; from below all chips saturate).
    """
    for node, sign in found.hidden.items():
        joint = observers.get(node)
        if sign > 0 or op_name(node) not in ("where", "masked_fill") or joint is None:
            continue
        joint = joint.observer if isinstance(joint, Unobserved) else joint  # a minimum decides its range
        for source in node.all_input_nodes:
            own = observers.get((source, node))
            alike = isinstance(own, TensorObserver) and own is not joint and own.quant_max == joint.quant_max
            if source.op == "get_attr" and alike:
                observers[source, node] = Unobserved(joint)


def _brought(found: Masking, observers: Mapping[Any, Any]) -> dict[Bounded, frozenset[FxNode]]:
    """Observers of what only inputs of the model can bring masks to, with these inputs."""
    brought: dict[Bounded, frozenset[FxNode]] = {}
    written: set[Bounded] = set()
    for place, observer in observers.items():
        node = place[0] if isinstance(place, tuple) else place
        if isinstance(observer, Bounded) and node in found.levels:
            inputs = found.fed.get(node, frozenset())
            if inputs and all(any(_observers_of(each, observers)) for each in inputs):
                brought[observer] = brought.get(observer, frozenset()) | inputs
            else:
                written.add(observer)
    return {observer: nodes for observer, nodes in brought.items() if observer not in written}


def _observers_of(node: FxNode, observers: Mapping[Any, Any]) -> Iterator[Bounded]:
    """The observers that see the values of the input ``node``, or of what casts it."""
    for each in (node, *filter(is_cast, node.users)):
        found = (observers.get(place) for place in (each, *((each, user) for user in each.users)))
        yield from (observer for observer in found if isinstance(observer, Bounded))


_WAYS = 16
"""So many readers of one mask are looked at: a model's layers are alike."""


def _ways(
    node: FxNode, user: FxNode, found: Masking, ways: Mapping[FxNode, list[Way]], observers: Mapping[Any, Any]
) -> Iterator[Way]:
    if not found.passes(node, user):
        yield Way()
        return
    others = [other for other in user.all_input_nodes if other is not node] if op_name(user) in BESIDE else []
    beside = tuple(observers[other, user] for other in others if (other, user) in observers)
    factor = 1.0 if found.factors(node) else abs(factor_of(user, node) or 1.0)
    for way in ways[user]:
        yield way.times(factor).behind(beside)
