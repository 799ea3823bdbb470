"""What a group of sites that share an encoding needs of its scale: bounds, a least scale, halvings, an observer.

A group is named by its leader, the site that carries its spec.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType

import attrs

from qnnsolve.annotating.observers import Bounds
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Node
from qnnsolve.opinfo_facts import port_code
from qnnsolve.rules import Facts
from qnnsolve.rules.builders import Built
from qnnsolve.rules.kinds import becoming, once
from qnnsolve.solver import Solution

__all__ = ["Groups", "bounds_of", "floors_of", "halvings_of", "named_of"]

_LIMITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hardtanh": ("min_val", "max_val"),
        "clamp_min": ("min",),
        "clamp_max": ("max",),
        "clamp": ("min", "max"),
    }
)
"""By what an activation's target is called, the names of its arguments from the second on."""


@attrs.frozen(eq=False)
class Groups:
    """The groups of a solution: of each site its leader, and of each leader its group."""

    leader_of: Mapping[Site, Site]
    led_by: Mapping[Site, tuple[Site, ...]]

    @classmethod
    def of(cls, groups: Iterable[tuple[Site, ...]], order: Mapping[Site, int]) -> Groups:
        """The first of a group in ``order`` leads it; of a group that is not in it, the first."""
        leader_of: dict[Site, Site] = {}
        led_by: dict[Site, tuple[Site, ...]] = {}
        for group in groups:
            leader = group[0]
            if len(group) > 1:
                met = [order.get(site, len(order)) for site in group]
                leader = group[met.index(min(met))]
            led_by[leader] = group
            leader_of.update(dict.fromkeys(group, leader))
        return cls(leader_of, led_by)


def bounds_of(activation: Node, bounds: Bounds) -> Bounds:
    """``bounds`` between the values where a ReLU, hardtanh or clamp leaves its input alone."""
    kind = activation.target.split(".")[1].rstrip("_")
    if "relu" in kind:
        return attrs.evolve(bounds, low=0.0, high=6.0 if kind == "relu6" else math.inf)
    low, high = (-1.0, 1.0) if kind == "hardtanh" else (-math.inf, math.inf)
    for index, name in enumerate(_LIMITS[kind]):
        limit = activation.argument(index + 1, name)
        if isinstance(limit, (int, float)):
            low, high = (float(limit), high) if name.startswith("min") else (low, float(limit))
    return attrs.evolve(bounds, low=low, high=high)


def floors_of(facts: Facts, solution: Solution, groups: Groups) -> dict[Site, float]:
    """The least scale of each group of sites, where an operator or the user asks for one."""
    found: dict[Site, float] = {}
    asking = dict.fromkeys(op for op, _ in facts.operators.curated.at_least)
    for node, built in becoming(facts, *asking):
        for port, site in _ports(facts, node, built).items():
            scales = facts.operators.curated.at_least.get((str(built.op), _port_name(built, port)))
            encoding = solution.encodings.get(site)
            if scales is not None and encoding is not None and encoding.quantized:
                leader = groups.leader_of.get(site, site)
                found[leader] = max(found.get(leader, 0.0), scales[0].get(port_code(encoding), 0.0))
    for site in solution.encodings if facts.wanted.all else ():
        leader, least = groups.leader_of.get(site, site), facts.wanted.least_scale(facts.owner(site), facts.port(site))
        found[leader] = max(found.get(leader, 0.0), least)
    return found


def halvings_of(facts: Facts, solution: Solution, groups: Groups) -> dict[Site, int]:
    """How often the fixed scale of a group of sites may be halved: the least that any op allows."""
    found: dict[Site, int] = {}
    fixed = {leader for leader in groups.led_by if solution.encodings[leader].scale is not None}
    sites = (site for leader in fixed for site in groups.led_by[leader])
    around = {name for site in sites for name in (site.node, site.user)} & facts.built.keys()
    for name in around:
        node, built, kind = facts.graph[name], facts.built[name], facts.kinds.of[name]
        for port, site in _ports(facts, node, built).items():
            leader = groups.leader_of.get(site)
            if leader in fixed:
                at = (kind, port, solution.encodings[site])
                halvings = once(facts, (_halved, *at), partial(_halved, facts, node, built, *at[1:]))
                if halvings is not None:
                    found[leader] = min(found.get(leader, halvings), halvings)
    return found


def _halved(facts: Facts, node: Node, built: Built, port: int, encoding: Encoding) -> int | None:
    """How often an operator allows to halve the scale that it fixes at ``port``; None where it fixes none."""
    if encoding not in facts.fixed_at(node, built, port, (encoding.free,)):
        return None
    asked = (_port_name(built, port), port_code(encoding), encoding.scale, encoding.zero_point)
    for fact in facts.operators.curated.fixed.get(str(built.op), ()):
        if asked == (fact.port, fact.code, fact.scale, fact.zero_point):
            return fact.halvings
    return 0


def named_of(facts: Facts, groups: Groups, order: Iterable[Site]) -> dict[Site, str]:
    """The observer that is asked for at a group of sites. Of several the first one in ``order`` counts."""
    found: dict[Site, str] = {}
    for site in order if facts.wanted.all else ():
        name = facts.wanted.observer(facts.owner(site), facts.port(site)) if site in groups.leader_of else None
        if name is not None:
            found.setdefault(groups.leader_of[site], name)
    return found


def _ports(facts: Facts, node: Node, built: Built) -> dict[int, Site]:
    """The sites of a call by port: its float inputs, then its output."""
    return {port: edge for port, _, edge, _ in facts.float_inputs(node, built)} | {len(built.inputs): Site(node.name)}


def _port_name(built: Built, port: int) -> str:
    return f"in[{port}]" if port < len(built.inputs) else "out[0]"
