"""Wishes for ports that no node at their place has."""

from __future__ import annotations

from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import NodeKind
from qnnsolve.rules.base import Facts

__all__ = ["refuse_missing_ports"]


def refuse_missing_ports(facts: Facts) -> None:
    """Refuse a wish for an input, or a weight, that no node at its place has.

    Edges that code picked (``from:``), and the outputs as a whole, are not looked at.

    Raises:
        UsageError: names the wish, and the ports that are there.
    """
    meant = [
        wish for wish in facts.wanted.all if wish.where.port.startswith(("in[", "weight", "out[")) and not wish.may_miss
    ]
    if not meant:
        return
    sites: dict[str, list[str]] = {}
    for site in facts.domains:
        port = facts.port(site)
        named = f"out[{port.output}]" if port.position is None else f"in[{port.position}]"
        sites.setdefault(facts.owner(site), []).extend([named, *(["weight"] if port.is_named("weight") else [])])
    for wish in meant:
        nodes = [n.name for n in facts.graph if n.kind is NodeKind.CALL and wish in facts.wanted.wishes(n.name)]
        there = dict.fromkeys(port for name in nodes for port in sites.get(name, ()))
        if wish.where.port not in there:
            ports = ", ".join(["out" if port == "out[0]" else port for port in there] or ["out"])
            raise UsageError(f"{wish.words}: no node there has a port '{wish.where.port}' that is a float: {ports}")
