"""Wishes for ports that no node at their place has."""

from __future__ import annotations

from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import NodeKind
from qnnsolve.rules.base import Facts

__all__ = ["refuse_missing_ports"]


def refuse_missing_ports(facts: Facts) -> None:
    """Refuse a wish for an input, or a weight, that no node at its place has.

    Edges that code picked (``from:``), and the outputs, are not looked at.

    Raises:
        UsageError: names the wish, and the ports that are there.
    """
    meant = [wish for wish in facts.wanted.all if wish.where.port.startswith(("in[", "weight")) and not wish.may_miss]
    if not meant:
        return
    sites: dict[str, list[str]] = {}
    for site in facts.domains:
        port = facts.port(site)
        if port.position is not None:
            named = [f"in[{port.position}]", *(["weight"] if port.is_named("weight") else [])]
            sites.setdefault(facts.owner(site), []).extend(named)
    for wish in meant:
        nodes = [n.name for n in facts.graph if n.kind is NodeKind.CALL and wish in facts.wanted.wishes(n.name)]
        there = dict.fromkeys(port for name in nodes for port in sites.get(name, ()))
        if wish.where.port not in there:
            ports = ", ".join([*there, "out"])
            raise UsageError(f"{wish.words}: no node there has a port '{wish.where.port}' that is a float: {ports}")
