"""The node, and the port of it, that a question is about: :func:`places`."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from qnnsolve.constraints import Site
from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import Graph, Node, NodeKind
from qnnsolve.questions.opened import Opened
from qnnsolve.rules.asked import Port
from qnnsolve.rules.asking_places import is_question
from qnnsolve.rules.matching import nodes_at
from qnnsolve.rules.patterns import found
from qnnsolve.rules.wish_text import parse_where
from qnnsolve.rules.wishes import By, Where

__all__ = ["NodePlace", "places"]

_PORT = re.compile(r"(?P<where>.+)[.@](?P<port>weight|out(?:\[\d+\])?|in\[\d+\])")


@attrs.frozen(eq=False)
class NodePlace:
    """A node; with a port of it, ``port`` and ``site`` are set."""

    node: Node
    port: Port | None = None
    site: Site | None = None


def places(opened: Opened, text: str) -> tuple[NodePlace, ...]:
    """The places that ``text`` names, in the order of the graph.

    ``NODE`` or ``NODE.PORT``: a node by its name, the path of its module, an op, a class of modules, or ``re:`` and a
    pattern that is found in paths of modules, or else in names of nodes; or a question whose first variable stands for
    the nodes, with ``@PORT`` behind it. Ports are ``weight``, ``out``, ``out[1]`` and ``in[0]``.

    Raises:
        UsageError: nothing there is called so; names the nearest.
    """
    if not text.strip():
        raise UsageError("a place is NODE or NODE.PORT, such as linear.weight, and not empty")
    match = None if is_question(text) else _PORT.fullmatch(text)
    where, port = (match["where"], match["port"]) if match is not None else (text, "")
    place = parse_where(where, text)
    port = port or place.port
    names = _by_pattern(place, opened.facts.graph) or nodes_at(place, opened.facts.graph, text)
    nodes = [opened.facts.graph[name] for name in names]
    nodes = [node for node in nodes if node.kind in (NodeKind.CALL, NodeKind.INPUT)]
    if not port:
        return tuple(map(NodePlace, nodes))
    there = [
        NodePlace(node, each, site)
        for node in nodes
        for each, site in opened.sites_of.get(node.name, ())
        if each.is_named(port)
    ]
    if not there:
        raise UsageError(f"{text}: no port '{port}' there carries a float; {_ports(opened, nodes)}")
    return tuple(there)


def _by_pattern(place: Where, graph: Graph) -> list[str]:
    """The nodes whose names have the pattern, where no module's path has it."""
    if place.by is not By.REGEX or place.names(graph):
        return []
    return [node.name for node in graph if found(place.key, node.name)]


def _ports(opened: Opened, nodes: Iterable[Node]) -> str:
    there = dict.fromkeys(port.name for node in nodes for port, _ in opened.sites_of.get(node.name, ()))
    return f"these do: {', '.join(there)}" if there else "none does"
