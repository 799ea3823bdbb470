"""Where every node runs under a solution: :func:`placements`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
    there = {each for each in set(encodings.values()) if each != FLOAT}
    for node, built in facts.calls:
        if built.fate in (Fate.CONSTANT, Fate.IDENTITY) or not node.tensors:
            found[node.name] = Placement.NONE
            continue
        if built.fate is Fate.ITEM:
            continue
        if built.fate is not Fate.OP:
            on_npu = False
        else:
            chosen = [encodings[site] for site in kinds.own_sites(node.name) if site in encodings]
            on_npu = not there.isdisjoint(chosen) if chosen else accepts(facts, node, built)
        found[node.name] = Placement.NPU if on_npu else Placement.CPU
    found.update(dict.fromkeys(_feeding_only_the_cpu(facts, encodings, found), Placement.CPU))
    for node, built in facts.calls:
        if built.fate is Fate.ITEM:  # where its tuple is, though it is no op itself
            on_cpu = found[facts.owner(Site(node.name))] is Placement.CPU
            found[node.name] = Placement.CPU if on_cpu else Placement.NONE
    return {node.name: found[node.name] for node, _ in facts.calls}


def _feeding_only_the_cpu(
    facts: Facts, encodings: Mapping[Site, Encoding], found: Mapping[str, Placement]
) -> Iterator[str]:
    """Unquantized nodes all of whose users run on the CPU: a delegate of their own would only add a hand-over."""
    there = {name for name, place in found.items() if place is Placement.CPU}
    for name in reversed(list(found)) if there else ():
        users = facts.graph.readers(name)
        items = (item for each in facts.graph.items_of(name).values() for item in each)
        sites = (*map(Site, (name, *items)), *(Site(ref, name) for ref in facts.graph[name].refs()))
        if name in there or not users or any(encodings.get(site, FLOAT) != FLOAT for site in sites):
            continue
        if there.issuperset(users):
            there.add(name)
            yield name
