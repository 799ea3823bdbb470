"""Where every node runs under a solution: :func:`placements`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.results import Placement
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.rows import accepts

__all__ = ["placements"]


def placements(facts: Facts, encodings: Mapping[Site, Encoding]) -> dict[str, Placement]:
    """Where every call runs under these encodings, by node name."""
    found: dict[str, Placement] = {}
    kinds = facts.kinds
    floats = {id(each) for each in {id(each): each for each in encodings.values()}.values() if each == FLOAT}
    for node, built in facts.calls:
        fate = built.fate
        if fate is Fate.CONSTANT or fate is Fate.IDENTITY or not node.tensors:
            found[node.name] = Placement.NONE
            continue
        if fate is Fate.ITEM:
            continue
        on_npu = False
        if fate is Fate.OP:
            chosen = [id(encodings[site]) for site in kinds.own_sites(node.name) if site in encodings]
            on_npu = not floats.issuperset(chosen) if chosen else accepts(facts, node, built)
        found[node.name] = Placement.NPU if on_npu else Placement.CPU
    found.update(dict.fromkeys(_feeding_only_the_cpu(facts, encodings, floats, found), Placement.CPU))
    for node, built in facts.calls:
        if built.fate is Fate.ITEM:  # where its tuple is, though it is no op itself
            on_cpu = found[facts.owner(Site(node.name))] is Placement.CPU
            found[node.name] = Placement.CPU if on_cpu else Placement.NONE
    return {node.name: found[node.name] for node, _ in facts.calls}


def _feeding_only_the_cpu(
    facts: Facts, encodings: Mapping[Site, Encoding], floats: Collection[int], found: Mapping[str, Placement]
) -> Iterator[str]:
    """Unquantized nodes all of whose users run on the CPU: a delegate of their own would only add a hand-over.

    ``floats`` are the encodings that are float, by ``id``.
    """
    there = {name for name, place in found.items() if place is Placement.CPU}
    for name in reversed(list(found)) if there else ():
        own = encodings.get(facts.kinds.output(name))
        if own is not None and id(own) not in floats:
            continue
        users = facts.graph.readers(name)
        items = (item for each in facts.graph.items_of(name).values() for item in each)
        sites = (*map(Site, (name, *items)), *(Site(ref, name) for ref in facts.graph[name].refs()))
        if name in there or not users or any(encodings.get(site, FLOAT) != FLOAT for site in sites):
            continue
        if there.issuperset(users):
            there.add(name)
            yield name
