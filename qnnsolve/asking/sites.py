"""Ports and sites: the solver knows edges and nodes, a question the ports of nodes."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Site
from qnnsolve.logic import Row
from qnnsolve.rules.base import Facts
from qnnsolve.rules.graph_relations import GraphRelations

__all__ = ["RunSites"]


class RunSites:
    """The ports that each site of ``facts`` is: several where a node reads another twice, or takes out one tensor."""

    def __init__(self, facts: Facts, graph: GraphRelations) -> None:
        self._ports: dict[Site, list[tuple[str, str, tuple[str, ...]]]] = {}
        self._sites: dict[tuple[str, str], Site] = {}
        self._texts: dict[str, Site] = {}
        inputs: dict[str, dict[str, list[tuple[str, tuple[str, ...]]]]] = {}
        for site in facts.domains:
            if site.user and site.user not in inputs:
                found = inputs.setdefault(site.user, {})
                for port, _, ref, names in graph.inputs(facts.graph[site.user]):
                    found.setdefault(ref, []).append((port, names))
            self._ports[site] = (
                [(site.user, *each) for each in inputs[site.user].get(site.node, ())]
                if site.user
                else list(_outputs(facts, site))
            )
            self._texts[str(site)] = site
            for node, port, names in self._ports[site]:
                for name in (port, *names):
                    self._sites.setdefault((node, name), site)

    def ports(self, site: Site) -> list[tuple[str, str, tuple[str, ...]]]:
        """Node, port and further names of the port."""
        return self._ports[site]

    def site(self, row: Row) -> Site:
        """The site of the port that a row begins with."""
        return self._sites[str(row[0]), str(row[1])]

    def other_names(self, row: Row) -> tuple[str, ...]:
        """Further names of the port that a row begins with."""
        site = self._sites.get((str(row[0]), str(row[1])))
        ports = () if site is None else self._ports[site]
        return next((names for node, port, names in ports if (node, port) == row[:2]), ())

    def named(self, node: str, text: str) -> list[tuple[str, str]]:
        """Node and port of the site that a record of ``node`` calls so; ``out`` where it is no site."""
        site = self._texts.get(text)
        return [(node, "out")] if site is None else [(at, port) for at, port, _ in self._ports[site]]


def _outputs(facts: Facts, site: Site) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield site.node, "out", ("out[0]",)
    owner = facts.owner(site)
    if owner != site.node:
        port = facts.port(site).name
        yield owner, port, ("out[0]",) if port == "out" else ()
