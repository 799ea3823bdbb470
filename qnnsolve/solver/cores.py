"""Every independent conflict: follow the trail back, delete what is not needed, set the conflict aside, look again."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from qnnsolve.constraints import Prefer, Same
from qnnsolve.solver.answers import Conflict
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.derivation import Derivation
from qnnsolve.solver.limits import Limits, Method
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.find import Goal, ImpossibleComponent, find_optimum
from qnnsolve.solver.propagation import Propagation, propagate
from qnnsolve.solver.rotation import rotate

__all__ = ["find_conflicts"]

_FEW = 12
"""From this many constraints on, deletion starts with halves instead of single ones."""


def find_conflicts(
    network: Network, propagation: Propagation, limits: Limits, clock: Clock
) -> tuple[tuple[Conflict, ...], bool]:
    """(pairwise disjoint conflicts by first constraint, whether the rest is known to be satisfiable).

    ``network`` is the whole problem, and ``propagation`` what propagating it gave.

    Raises:
        LimitReached: the time was over before the first one was found.
    """
    model = network.model
    search = _Cores(model, attrs.evolve(limits, method=Method.AUTO), clock)
    active = [c for c, kind in enumerate(model.kinds) if kind.type is not Prefer]
    cores: list[tuple[list[int], bool]] = []
    exhaustive = True
    try:
        while found := search.round(network, propagation):
            cores += found
            gone = {c for core, _ in found for c in core}
            active = [c for c in active if c not in gone]
            network = Network(model, active)
            propagation = propagate(network, clock)
    except LimitReached:
        if not cores:
            raise
        exhaustive = False
    return tuple(search.conflict(core, irredundant) for core, irredundant in sorted(cores)), exhaustive


class _Cores:
    def __init__(self, model: Model, limits: Limits, clock: Clock) -> None:
        self._model, self._limits, self._clock = model, limits, clock
        self._witness: dict[int, int] = {}

    def round(self, network: Network, propagation: Propagation) -> list[tuple[list[int], bool]]:
        """Disjoint cores, as many as one pass shows; none only if the network is satisfiable."""
        derivation = Derivation(network, propagation)
        found: list[tuple[list[int], bool]] = []
        gone: set[int] = set()
        for wipeout in propagation.wipeouts:
            used = derivation.constraints(wipeout)
            if not used & gone and not self._clock.expired:
                found.append(self._minimise(used))
                gone.update(found[-1][0])
        if propagation.wipeouts:
            return found or [(sorted(derivation.constraints(propagation.wipeouts[0])), False)]
        outcome = find_optimum(network, propagation.masks, self._limits, self._clock, Goal.ANY)
        if isinstance(outcome, ImpossibleComponent):
            found.append(self._minimise(self._grow(network, outcome.variables)))
        return found

    def _refute(self, constraints: Collection[int]) -> set[int] | None:
        """The constraints that refute these; ``None`` if they are satisfiable (``_witness`` then satisfies them)."""
        self._clock.check()
        network = Network(self._model, sorted(constraints))
        propagation = propagate(network, self._clock)
        if propagation.wipeouts:
            derivation = Derivation(network, propagation)
            return min(
                (derivation.constraints(w) for w in propagation.wipeouts), key=lambda used: (len(used), min(used))
            )
        outcome = find_optimum(network, propagation.masks, self._limits, self._clock, Goal.ANY)
        if isinstance(outcome, ImpossibleComponent):
            return set(constraints)
        self._witness = {site: outcome.values[v] for site, v in network.variable.items()}
        return None

    def _grow(self, network: Network, start: tuple[int, ...]) -> set[int]:
        """A ball of constraints around ``start[0]`` that has no solution, of at most twice the radius it takes."""
        ball, edge = {start[0]}, {start[0]}
        radius, taken = 1, 0
        while True:
            while taken < radius and edge:
                edge = {v for u in edge for link in network.watch[u] for v in network.scopes[link]} - ball
                ball |= edge
                taken += 1
            constraints = self._within(network, ball)
            used = self._refute(constraints)
            if used is not None:
                return used
            assert edge, "a component without a solution has one"
            radius *= 2

    def _within(self, network: Network, variables: set[int]) -> set[int]:
        inside = {
            network.origin[link]
            for v in variables
            for link in network.watch[v]
            if variables.issuperset(network.scopes[link])
        }
        sites = {site for v in variables for site in network.members[v]}
        inside.update(c for site in sites for c in network.unary.get(site, ()))
        inside.update(c for c in network.same if self._model.where[c][0] in sites)
        return inside

    def _minimise(self, core: set[int]) -> tuple[list[int], bool]:
        """The core without what it does not need, and whether that was checked for each member."""
        units = self._bundles(core)
        size = 1 if len(units) <= _FEW else len(units) // 2
        needed: set[int] = set()
        try:
            while size:
                at = 0
                while at < len(units):
                    if any(not needed.isdisjoint(unit) for unit in units[at : at + size]):
                        at += size
                        continue
                    rest = units[:at] + units[at + size :]
                    self._witness = {}
                    used = self._refute([c for unit in rest for c in unit]) if rest else None
                    if used is None:
                        at += size
                        needed |= rotate(self._model, [c for unit in units for c in unit], self._witness, self._clock)
                    else:
                        kept = [[c for c in unit if c in used] for unit in rest]
                        at = sum(map(bool, kept[:at]))
                        units = [unit for unit in kept if unit]
                size //= 2
        except LimitReached:
            return sorted(c for unit in units for c in unit), False
        return sorted(c for unit in units for c in unit), True

    def _bundles(self, core: set[int]) -> list[list[int]]:
        """The members, with each run of sharing as one: if any link of it is needed, all are.

        That holds where nothing else touches the sites inside the run and they have every candidate of their
        neighbours: cutting the run anywhere then leaves its ends as free as cutting it everywhere.
        """
        model = self._model
        touching: dict[int, list[int]] = {}
        for c in sorted(core):
            for site in set(model.where[c]):
                touching.setdefault(site, []).append(c)
        bundle = {c: [c] for c in core}
        for site, by in touching.items():
            if len(by) != 2 or not all(self._plain(c) for c in by):
                continue
            near = [s for c in by for s in model.where[c] if s != site]
            if all(not model.domains[s] & ~model.domains[site] for s in near):
                first, second = bundle[by[0]], bundle[by[1]]
                if first is not second:
                    if len(first) < len(second):
                        first, second = second, first
                    first += second
                    bundle.update(dict.fromkeys(second, first))
        return sorted({id(unit): sorted(unit) for unit in bundle.values()}.values())

    def _plain(self, c: int) -> bool:
        return isinstance(self._model.constraints[c], Same) and len(set(self._model.where[c])) == 2

    def conflict(self, core: Iterable[int], irredundant: bool) -> Conflict:
        """The core in the words of the problem, with the derivation that its own trail gives."""
        core = sorted(core)
        network = Network(self._model, core)
        propagation = propagate(network, Clock(None))
        constraints = tuple(self._model.constraints[c] for c in core)
        if not propagation.wipeouts:
            return Conflict(constraints, (), irredundant, by_search=True)
        derivation = Derivation(network, propagation)
        return Conflict(constraints, derivation.refutation(propagation.wipeouts[0]), irredundant)
