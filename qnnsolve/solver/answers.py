"""What :func:`qnnsolve.solver.solve` answers: frozen records, and the lazy way into the trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from qnnsolve.constraints import Constraint, Same, Site
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason

__all__ = [
    "Conflict",
    "Convert",
    "Removal",
    "Solution",
    "Statistics",
    "Unknown",
    "Unsatisfiable",
]


@attrs.frozen
class Convert:
    """A requantization on the edge ``site``: from its producer's encoding to its own, at ``price``."""

    site: Site
    source: Encoding
    target: Encoding
    price: int
    reason: Reason


@attrs.frozen(eq=False)
class Removal:
    """``encoding`` cannot stand at ``site``: ``constraint`` removed it, given that ``because`` could not stand.

    ``because`` names (site, encoding) that are removed earlier in the same derivation, or that were never
    candidates of their site. ``shared`` is the sharing that the step also used, where two sites of
    ``constraint`` are one.
    """

    site: Site
    encoding: Encoding
    constraint: Constraint
    because: tuple[tuple[Site, Encoding], ...] = ()
    shared: tuple[Same, ...] = ()


@attrs.frozen
class Statistics:
    """What a solve met and did.

    ``groups`` counts the sets of sites joined by ``Same``; ``components`` the independent parts of the problem,
    ``searched`` those in which propagation left a choice that matters; ``nodes`` the eliminations and search
    nodes; ``methods`` (sorted) is what the searched components were solved with.
    """

    sites: int
    constraints: int
    groups: int
    components: int
    searched: int
    nodes: int
    methods: tuple[str, ...]


WhyRemoved = Callable[[Site, Encoding], tuple[Removal, ...]]


@attrs.frozen(eq=False)
class Solution:
    """One consistent config.

    Of the configs with the least ``cost`` it has the fewest converts, and is then the lexicographically
    smallest by encoding sort key along the elimination order (a pure function of the problem).
    """

    encodings: Mapping[Site, Encoding]
    """By site, sorted."""
    groups: tuple[tuple[Site, ...], ...]
    """A partition of the sites: those in one group share one scale and zero point. ``Same`` joins sites, and
    so does a ``Convertible`` whose ends got one quantized encoding."""
    converts: tuple[Convert, ...]
    cost: int
    breakdown: Mapping[tuple[str, str], int]
    """(constraint kind, rule code) -> what it contributes to the cost, where that is not zero; sorted."""
    lower_bound: int
    """Proven: no config costs less."""
    _statistics: Callable[[], Statistics] = attrs.field(repr=False)
    _why: WhyRemoved = attrs.field(repr=False)
    limit: str | None = None
    """What stopped the search before this was proven the cheapest (``seconds=5``); ``None``: nothing did."""

    @property
    def statistics(self) -> Statistics:
        """What the solve met and did; some of it is counted when somebody asks."""
        return self._statistics()

    @property
    def proof(self) -> str:
        """``optimal``, or the gap between cost and bound as a fraction of the cost (``0.0123``)."""
        if self.lower_bound == self.cost:
            return "optimal"
        return f"{(self.cost - self.lower_bound) / self.cost:.4f}"

    @property
    def optimal(self) -> bool:
        """Whether the cost is proven to be the least."""
        return self.lower_bound == self.cost

    def why_removed(self, site: Site, encoding: Encoding) -> tuple[Removal, ...]:
        """The derivation that removed ``encoding`` from ``site``, causes first; the last one is the removal itself.

        An encoding that was never a candidate of the site was removed by the rule that left it out. Empty where the
        encoding is still possible.

        Raises:
            KeyError: the problem has no such site.
        """
        return self._why(site, encoding)


@attrs.frozen(eq=False)
class Conflict:
    """Hard constraints that cannot hold together.

    Without any one of them the others can (``irredundant``; False only when a limit cut the minimisation
    short). ``derivation`` is the trail of removals that shows it, causes first; it is empty where no
    propagation refutes the constraints and only search does (``by_search``).
    """

    constraints: tuple[Constraint, ...]
    derivation: tuple[Removal, ...]
    irredundant: bool = True
    by_search: bool = False

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site that the constraints name, sorted."""
        return tuple(sorted({site for c in self.constraints for site in c.sites}))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes at these sites: users of the edges and producers, sorted."""
        return tuple(sorted({name for site in self.sites for name in (site.node, site.user) if name}))


@attrs.frozen(eq=False)
class Unsatisfiable:
    """No config satisfies the hard constraints. Proven.

    ``conflicts`` are pairwise disjoint, and together all there are: without them the rest is satisfiable,
    unless ``exhaustive`` is False (a limit stopped the search for further ones).
    """

    conflicts: tuple[Conflict, ...]
    statistics: Statistics
    _why: WhyRemoved = attrs.field(repr=False)
    exhaustive: bool = True

    def why_removed(self, site: Site, encoding: Encoding) -> tuple[Removal, ...]:
        """As :meth:`Solution.why_removed`."""
        return self._why(site, encoding)


@attrs.frozen(eq=False)
class Unknown:
    """A limit was hit before any config was found: ``limit`` names it. Never means *impossible*."""

    limit: str
