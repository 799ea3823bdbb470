"""From the trail back to reasons: which constraint removed a value, and what it needed for that.

Nothing is computed until somebody asks; propagation itself only notes (variable, mask, link).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cached_property
from typing import cast

import attrs

from qnnsolve.constraints import Allow, Convertible, Derived, Forbid, Same, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.solver.answers import Removal
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.network import Network
from qnnsolve.solver.propagation import Propagation, Wipeout

__all__ = ["Derivation", "DerivationStep", "Trail"]

Literal = tuple[int, int]
"""(site index, encoding index), meaning: this encoding cannot stand at this site."""


@attrs.frozen
class DerivationStep:
    """``literal`` follows by constraint ``by`` from ``because``; ``shared`` are sharing constraints it used."""

    literal: Literal
    by: int
    because: tuple[Literal, ...] = ()
    shared: tuple[int, ...] = ()


class Trail:
    """Answers why a literal holds, from a network and the outcome of propagating it."""

    def __init__(self, network: Network, propagation: Propagation) -> None:
        self._network = network
        self._model = network.model
        self._propagation = propagation
        self._parents: dict[Literal, dict[int, tuple[int, int]]] = {}

    @cached_property
    def _when(self) -> dict[tuple[int, int], int]:
        """Position on the trail at which a (variable, encoding index) was removed."""
        when: dict[tuple[int, int], int] = {}
        for position, (variable, mask, _) in enumerate(self._propagation.trail):
            for value in bits_of(mask):
                when[variable, value] = position
        return when

    @cached_property
    def _sharing(self) -> dict[int, list[tuple[int, int]]]:
        """By site: (``Same`` constraint, another of its sites)."""
        sharing: dict[int, list[tuple[int, int]]] = {}
        for c in self._network.same:
            where = self._model.where[c]
            for site in where[:1]:
                sharing.setdefault(site, []).extend((c, other) for other in where[1:])
            for site in where[1:]:
                sharing.setdefault(site, []).append((c, where[0]))
        return sharing

    def goals(self, wipeout: Wipeout) -> list[Literal]:
        """What has to hold for a wipeout: no candidate can stand at one site of the variable."""
        network = self._network
        site = network.members[wipeout.variable][0]
        if wipeout.link >= 0:
            ends = self._model.where[network.origin[wipeout.link]]
            site = next(end for end in ends if network.variable[end] == wipeout.variable)
        return [(site, value) for value in bits_of(self._model.domains[site])]

    def steps(self, goals: Iterable[Literal]) -> list[DerivationStep]:
        """Every step that the goals need, causes first; a goal that was never removed is passed over."""
        found: dict[Literal, DerivationStep | None] = {}
        ordered: list[DerivationStep] = []
        stack = [(goal, False) for goal in reversed(list(goals))]
        while stack:
            literal, ready = stack.pop()
            if ready:
                step = found[literal]
                assert step is not None
                ordered.append(step)
            elif literal not in found:
                step = found[literal] = self._explain(literal)
                if step is not None:
                    stack.append((literal, True))
                    stack.extend((cause, False) for cause in reversed(step.because))
        return ordered

    def _position(self, literal: Literal) -> int | None:
        """Trail position of a removal: -1 if it came before propagation, ``None`` if there was none."""
        variable = self._network.variable[literal[0]]
        if not self._network.initial[variable] >> literal[1] & 1:
            return -1
        return self._when.get((variable, literal[1]))

    def _explain(self, literal: Literal) -> DerivationStep | None:
        site, value = literal
        if not self._model.domains[site] >> value & 1:
            return None
        position = self._position(literal)
        if position is None:
            return None
        unary = self._unary(literal)
        if unary is not None:
            return DerivationStep(literal, unary)
        variable = self._network.variable[site]
        if position >= 0:
            origin = self._network.origin[self._propagation.trail[position][2]]
            if site in self._model.where[origin]:
                return self._by_rows(literal, origin, position)
        key = (variable, value)
        if key not in self._parents:
            self._parents[key] = self._search(self._sources(variable, value, position))
        c, nearer = self._parents[key][site]
        return DerivationStep(literal, c, ((nearer, value),))

    def _sources(self, variable: int, value: int, position: int) -> list[int]:
        """The sites of a variable at which a value was lost; at the others it is by sharing with one of these."""
        network = self._network
        if position >= 0:
            ends = self._model.where[network.origin[self._propagation.trail[position][2]]]
            return [end for end in ends if network.variable[end] == variable]
        domains = self._model.domains
        members = network.members[variable]
        return [s for s in members if not domains[s] >> value & 1 or self._unary((s, value)) is not None]

    def _unary(self, literal: Literal) -> int | None:
        site, value = literal
        for c in self._network.unary.get(site, ()):
            constraint = self._model.constraints[c]
            assert isinstance(constraint, Allow | Forbid)
            listed = self._model.unary_mask(constraint) >> value & 1
            if listed == isinstance(constraint, Forbid):
                return c
        return None

    def _search(self, sources: list[int]) -> dict[int, tuple[int, int]]:
        """For each site of a variable, the (``Same``, neighbour) one step nearer to the sources."""
        parents: dict[int, tuple[int, int]] = {source: (-1, source) for source in sources}
        queue = deque(sources)
        while queue:
            near = queue.popleft()
            for c, far in self._sharing.get(near, ()):
                if far not in parents:
                    parents[far] = (c, near)
                    queue.append(far)
        return parents

    def _path(self, start: int, end: int) -> tuple[int, ...]:
        """The sharing constraints between two sites of one variable."""
        parents = self._search([end])
        used = []
        while start != end:
            c, start = parents[start]
            used.append(c)
        return tuple(used)

    def _by_rows(self, literal: Literal, origin: int, position: int) -> DerivationStep:
        """Every row with the literal is dead by then: name one cause for each."""
        constraint = self._model.constraints[origin]
        assert isinstance(constraint, Table | Derived | Convertible)
        where = self._model.where[origin]
        because: set[Literal] = set()
        shared: set[int] = set()
        for row in self._model.content(constraint).rows:
            if any(row[column] == literal[1] for column, site in enumerate(where) if site == literal[0]):
                cause = self._dead(row, where, literal, position)
                if isinstance(cause, tuple):
                    because.add(cause)
                elif cause is not None:
                    shared.update(self._path(*sorted(cause)))
        return DerivationStep(literal, origin, tuple(sorted(because)), tuple(sorted(shared)))

    def _dead(
        self, row: tuple[int, ...], where: tuple[int, ...], literal: Literal, position: int
    ) -> Literal | frozenset[int] | None:
        """Why a row is dead: an earlier literal, two sites that share, or ``None`` if it never was alive."""
        best: Literal | None = None
        earliest = position
        clash: frozenset[int] | None = None
        for column, site in enumerate(where):
            value = row[column]
            if not self._model.domains[site] >> value & 1:
                return None
            if (site, value) != literal:
                then = self._position((site, value))
                if then is not None and then < earliest:
                    best, earliest = (site, value), then
            for other in range(column):
                if row[other] != value and self._network.variable[where[other]] == self._network.variable[site]:
                    if where[other] == site:
                        return None
                    clash = frozenset((where[other], site))
        return best if best is not None else clash


class Derivation:
    """Steps in the words of the problem."""

    def __init__(self, network: Network, propagation: Propagation) -> None:
        self._trail = Trail(network, propagation)
        self._model = network.model

    def why_removed(self, site: Site, encoding: Encoding) -> tuple[Removal, ...]:
        """The chain that removed ``encoding`` from ``site``, causes first.

        Raises:
            KeyError: there is no such site.
        """
        place = self._model.site_index[site]
        value = self._model.encoding_index.get(encoding)
        return () if value is None else self.removals(self._trail.steps([(place, value)]))

    def refutation(self, wipeout: Wipeout) -> tuple[Removal, ...]:
        """The chain that left a variable without a value, causes first."""
        return self.removals(self._trail.steps(self._trail.goals(wipeout)))

    def constraints(self, wipeout: Wipeout) -> set[int]:
        """Indices of the constraints that a wipeout rests on."""
        used: set[int] = set()
        if wipeout.link >= 0:
            used.add(self._trail._network.origin[wipeout.link])
        for step in self._trail.steps(self._trail.goals(wipeout)):
            used.add(step.by)
            used.update(step.shared)
        return used

    def removals(self, steps: Iterable[DerivationStep]) -> tuple[Removal, ...]:
        """The same steps with sites, encodings and constraints for indices."""
        model = self._model
        return tuple(
            Removal(
                model.sites[step.literal[0]],
                model.encodings[step.literal[1]],
                model.constraints[step.by],
                tuple((model.sites[site], model.encodings[value]) for site, value in step.because),
                tuple(cast(Same, model.constraints[c]) for c in step.shared),
            )
            for step in steps
        )
