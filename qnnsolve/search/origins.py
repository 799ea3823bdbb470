"""Where noise arises in a space: :func:`origins` and :func:`converted_edges`.

Rounding a tensor that stands on the same grid already adds nothing. So of the sites that share an encoding noise
arises at the one where values are computed, or where a tensor comes in; and on an edge where a convert stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from qnnsolve.constraints import Convertible, Derived, Same, Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import NodeKind
from qnnsolve.rules.builders import Fate
from qnnsolve.search.spaces import Space
from qnnsolve.solver.union_find import UnionFind

__all__ = ["Roundings", "converted_edges", "origins"]


def origins(space: Space) -> tuple[Site, ...]:
    """Sites whose tensor is rounded whatever the others have, if it is quantized there at all: sorted."""
    return tuple(sorted(_origins(space)))


def _origins(space: Space) -> Iterator[Site]:
    facts, problem = space.facts, space.problem
    shared = UnionFind(range(len(problem.domains)))
    index = {site: number for number, site in enumerate(problem.domains)}
    derived = {c.site for c in problem.constraints if isinstance(c, Derived)}
    for c in problem.constraints:
        if isinstance(c, Same):
            for other in c.sites[1:]:
                shared.join(index[c.sites[0]], index[other])
    read: dict[str, set[int]] = {}
    for site in problem.domains:
        if site.user:
            read.setdefault(site.user, set()).add(shared.root(index[site]))
    for site in problem.domains:
        if site in derived:
            continue
        if not site.user:
            if shared.root(index[site]) not in read.get(facts.owner(site), ()):
                yield site
        elif Site(site.node) not in problem.domains and _is_rounded(space, site):
            yield site


def _is_rounded(space: Space, edge: Site) -> bool:
    """Whether a tensor without a site of its own (a parameter) is rounded on ``edge``: an op reads it there."""
    facts = space.facts
    producer, user = facts.graph[edge.node], facts.built.get(edge.user)
    return producer.kind is NodeKind.PARAM and user is not None and user.fate is not Fate.UNKNOWN


def converted_edges(space: Space) -> tuple[Convertible, ...]:
    """The edges on which a convert may stand, by their constraints."""
    return tuple(
        c
        for c in space.problem.constraints
        if isinstance(c, Convertible) and len(space.choices[c.source] | space.choices[c.target]) > 1
    )


@attrs.frozen(eq=False)
class Roundings:
    """Where a config of a space rounds."""

    sites: tuple[Site, ...]
    edges: tuple[Convertible, ...]

    @classmethod
    def of(cls, space: Space) -> Roundings:
        """Those of ``space``."""
        return cls(origins(space), converted_edges(space))

    def in_(self, config: Mapping[Site, Encoding]) -> tuple[tuple[Site, Encoding], ...]:
        """Site and encoding of each rounding that ``config`` has. Two configs with the same ones compute the same."""
        found = [(site, config[site]) for site in self.sites]
        found += [(c.target, config[c.target]) for c in self.edges if config[c.source] != config[c.target]]
        return tuple((site, encoding) for site, encoding in found if encoding.quantized)
