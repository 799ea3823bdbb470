"""A problem that is kept solved, and solved again where sites may have less: :class:`Session`.

Bucket elimination is kept as a tree: each variable's bucket sends one message, to the bucket of the first variable that
goes after it. Where a site may have less, its bucket is eliminated anew, and then the bucket that its message goes to,
until a message is what it was before (but for what all its entries have in common). A pin changes a few dozen of some
thousand buckets.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import attrs
import numpy as np

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.limits import Limits
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.elimination import Instance
from qnnsolve.solver.optimum.factors import Arithmetic, Factors, Overflow, Table
from qnnsolve.solver.optimum.ordering import BIT, elimination_order
from qnnsolve.solver.optimum.parts import Parts
from qnnsolve.solver.propagation import propagate

__all__ = ["Resolved", "Session"]


@attrs.frozen
class Resolved:
    """The best config under some restrictions: what it costs, and the sites that have something else than before."""

    cost: int
    changed: Mapping[Site, Encoding]


@attrs.frozen(eq=False)
class _Bucket:
    """What a variable's elimination comes to: its part of the cost, its message and to which turn it goes (-1: none),
    and its best value by those of ``others``."""

    base: int
    message: Instance
    to: int
    choice: Table | None
    others: tuple[int, ...]


class _Impossible(Exception):
    """Nothing is possible under the restrictions."""


class Session:
    """The best config of a problem, kept with all that it took to find it."""

    @classmethod
    def of(cls, problem: Problem, limits: Limits) -> Session | None:
        """None where no config exists, or where the problem is too wide, or its prices too large, to be kept so."""
        with suppress(LimitReached, Overflow, _Impossible):
            return cls(problem, limits)
        return None

    def __init__(self, problem: Problem, limits: Limits) -> None:
        clock = Clock(limits.seconds)
        self._model = model = Model(problem)
        self.network = Network(model, range(len(model.where)), range(len(model.sites)))
        propagation = propagate(self.network, clock)
        if propagation.wipeouts:
            raise _Impossible
        self._masks = propagation.masks
        self._factors = Factors(Arithmetic.fast(), limits.megabytes)
        if max((joint.dearest for joint in self.network.joints), default=0) >= self._factors.arithmetic.forbidden:
            raise Overflow
        parts = Parts(self.network, self._masks, self._factors, free=False)
        self._sizes, self._base = parts.sizes, parts.base
        self._plant([instance for part in parts for instance in part.instances], limits, clock)

    def _plant(self, instances: Iterable[Instance], limits: Limits, clock: Clock) -> None:
        instances = list(instances)
        sizes = {v: self._sizes[v] for _, scope in instances for v in scope}
        order = elimination_order((scope for _, scope in instances), sizes)
        if any(weight > (limits.table_entries.bit_length() - 1) * BIT for _, weight in order):
            raise Overflow
        self._order = [v for v, _ in order]
        self._turn = {v: turn for turn, v in enumerate(self._order)}
        self._own: list[list[Instance]] = [[] for _ in order]
        for instance in instances:
            self._own[min(self._turn[v] for v in instance[1])].append(instance)
        self._incoming: dict[int, dict[int, Instance]] = {}
        self._buckets: list[_Bucket] = []
        for turn in range(len(order)):
            clock.check()
            bucket = self._eliminated(turn, self._incoming.get(turn, {}), None)
            self._buckets.append(bucket)
            if bucket.to >= 0:
                self._incoming.setdefault(bucket.to, {})[turn] = bucket.message
        self._readers: dict[int, list[int]] = {}
        self._values: dict[int, int] = {}
        for turn in reversed(range(len(order))):
            self._values[self._order[turn]] = self._best(self._buckets[turn], self._values)
            for v in self._buckets[turn].others:
                self._readers.setdefault(v, []).append(turn)
        self._cost = self._base + sum(bucket.base for bucket in self._buckets)
        if not self._factors.certain(self._cost):
            raise Overflow

    def _eliminated(self, turn: int, incoming: Mapping[int, Instance], only: Instance | None) -> _Bucket:
        """The bucket of one turn, with the messages to it; ``only`` is a factor over the values that are left."""
        instances = sorted((*self._own[turn], *incoming.values(), *(() if only is None else (only,))))
        v = self._order[turn]
        if not instances:
            return _Bucket(0, (-1, ()), -1, None, ())
        places = {v: 0}
        for _, scope in instances:
            for u in scope:
                places.setdefault(u, len(places))
        key = tuple((factor, tuple(places[u] for u in scope)) for factor, scope in instances)
        found = self._factors.eliminate(key)
        if found.choice is None:
            raise _Impossible
        others = tuple(places)[1:]
        to = min((self._turn[u] for u in others), default=-1) if found.message >= 0 else -1
        return _Bucket(found.base, (found.message, others), to, found.choice, others)

    def _best(self, bucket: _Bucket, values: Mapping[int, int]) -> int:
        return 0 if bucket.choice is None else int(bucket.choice[tuple([values[u] for u in bucket.others])])

    @property
    def cost(self) -> int:
        """Of the best config without restrictions."""
        return self._model.lower_bound(self._cost)

    @property
    def encodings(self) -> dict[Site, Encoding]:
        """The best config without restrictions."""
        free = dict.fromkeys(self.network.variable.values(), 0)
        return self._by_site(free | self._values)

    def restricted(self, allowed: Mapping[Site, Collection[Encoding]]) -> Resolved | None:
        """The best config in which each of these sites has one of these encodings; None where there is none.

        Raises:
            KeyError: there is no such site.
            Overflow: the prices are too large to say.
        """
        try:
            only, free = self._restrictions(allowed)
            anew, cost = self._anew(only)
        except _Impossible:
            if self._factors.saturated:
                raise Overflow from None
            return None
        if not self._factors.certain(cost):
            raise Overflow
        return Resolved(self._model.lower_bound(cost), self._changed(anew, free))

    def _restrictions(self, allowed: Mapping[Site, Collection[Encoding]]) -> tuple[dict[int, Instance], dict[int, int]]:
        """By turn a factor that is forbidden at what is not allowed; of variables without a turn the first place."""
        left: dict[int, int] = {}
        for site, encodings in allowed.items():
            v = self.network.variable[self._model.site_index[site]]
            left[v] = left.get(v, self._masks[v]) & self._model.mask(frozenset(encodings))
        found: dict[int, Instance] = {}
        free: dict[int, int] = {}
        for v, mask in left.items():
            if not mask:
                raise _Impossible
            if v not in self._turn:
                free[v] = bits_of(self._masks[v]).index(bits_of(mask)[0])
            elif mask != self._masks[v]:
                arithmetic = self._factors.arithmetic
                prices = [0 if mask >> value & 1 else arithmetic.forbidden for value in bits_of(self._masks[v])]
                numbered = self._factors.number(np.array(prices, dtype=arithmetic.dtype))
                assert numbered is not None, "something is left"
                found[self._turn[v]] = numbered[1], (v,)
        return found, free

    def _anew(self, only: Mapping[int, Instance]) -> tuple[dict[int, _Bucket], int]:
        """The buckets that come to something else, and the cost."""
        incoming: dict[int, dict[int, Instance]] = {}
        anew: dict[int, _Bucket] = {}
        cost, waiting = self._cost, sorted(only)
        while waiting:
            turn = heapq.heappop(waiting)
            if turn in anew:
                continue
            before = self._buckets[turn]
            messages = incoming.get(turn, self._incoming.get(turn, {}))
            bucket = anew[turn] = self._eliminated(turn, messages, only.get(turn))
            cost += bucket.base - before.base
            if (bucket.message, bucket.to) == (before.message, before.to):
                continue
            for to in {before.to, bucket.to} - {-1}:
                changed = incoming.setdefault(to, dict(self._incoming.get(to, {})))
                changed.pop(turn, None)
                if to == bucket.to:
                    changed[turn] = bucket.message
                heapq.heappush(waiting, to)
        return anew, cost

    def _changed(self, anew: Mapping[int, _Bucket], free: Mapping[int, int]) -> dict[Site, Encoding]:
        """What has another value than before; ``free`` are the places of variables that no bucket is of."""
        values = {v: place for v, place in free.items() if place}
        known = _Over(self._values, values)
        readers: dict[int, list[int]] = {}
        for turn, bucket in anew.items():
            for v in bucket.others:
                readers.setdefault(v, []).append(turn)
        waiting = [-turn for turn in anew]
        heapq.heapify(waiting)
        seen: set[int] = set()
        while waiting:  # from the last turn to the first: each value hangs on those of later turns
            turn = -heapq.heappop(waiting)
            if turn in seen:
                continue
            seen.add(turn)
            v = self._order[turn]
            value = self._best(anew.get(turn, self._buckets[turn]), known)
            if value != self._values[v]:
                values[v] = value
                for reader in (*self._readers.get(v, ()), *readers.get(v, ())):
                    heapq.heappush(waiting, -reader)
        return self._by_site(values)

    def _by_site(self, values: Mapping[int, int]) -> dict[Site, Encoding]:
        members, model = self.network.members, self._model
        return {
            model.sites[site]: model.encodings[bits_of(self._masks[v])[value]]
            for v, value in values.items()
            if v < len(members)
            for site in members[v]
        }


class _Over(dict[int, int]):
    """``values``, and below them those that nothing changed."""

    def __init__(self, below: Mapping[int, int], values: Mapping[int, int]) -> None:
        super().__init__()
        self._values, self._below = values, below

    def __missing__(self, v: int) -> int:
        return self._values[v] if v in self._values else self._below[v]
