"""What every candidate at every site costs more than the best config: :func:`regrets`, in two passes over the graph.

The first pass is that of the optimum (bucket elimination); the second goes back and hands every bucket what the best
of all the rest costs (bucket-tree elimination, Kask, Dechter, Larrosa and Dechter 2005). So all answers together take
about as long as two solves, not one solve each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import attrs

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.limits import Limits
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.elimination import Instance
from qnnsolve.solver.optimum.factors import Arithmetic, Factors, Overflow
from qnnsolve.solver.optimum.ordering import BIT, elimination_order, fewest_joined
from qnnsolve.solver.optimum.parts import Part, Parts
from qnnsolve.solver.propagation import propagate

__all__ = ["regrets"]

Scope = tuple[int, ...]
Costs = list[int | None]


def regrets(problem: Problem, limits: Limits) -> dict[Site, dict[Encoding, int | None]]:
    """By how much the best config that has an encoding at a site costs more than the best config; exact.

    ``None``: no config has it. A site is missing where its part of the problem is too wide for tables of
    ``limits.table_entries``, or where the time or the memory is over. Nothing at all is there where no config exists.
    """
    clock = Clock(limits.seconds)
    model = Model(problem)
    network = Network(model, range(len(model.where)), range(len(model.sites)))
    found: list[Costs | None] = []
    with suppress(LimitReached):
        masks = propagate(network, clock)
        if masks.wipeouts:
            return {}
        try:
            found = _Passes(network, masks.masks, limits, clock, Arithmetic.fast()).run()
        except Overflow:
            total = sum(joint.dearest for joint in network.joints)
            total += sum(max(costs.values(), default=0) for costs in network.costs.values())
            found = _Passes(network, masks.masks, limits, clock, Arithmetic.exact(total)).run()
        return _by_site(network, masks.masks, found)
    return {}


def _by_site(
    network: Network, masks: Sequence[int], found: Sequence[Costs | None]
) -> dict[Site, dict[Encoding, int | None]]:
    """In the words of the problem. An internal cost is ``unit`` times the cost, and one for each convert."""
    model = network.model
    more: dict[Site, dict[Encoding, int | None]] = {}
    for index, site in enumerate(model.sites):
        v = network.variable[index]
        costs = found[v]
        if costs is not None:
            of = dict(zip(bits_of(masks[v]), costs, strict=True))
            more[site] = {model.encodings[at]: _outer(of.get(at), model.unit) for at in bits_of(model.domains[index])}
    return more


def _outer(internal: int | None, unit: int) -> int | None:
    return None if internal is None else (internal + unit // 2) // unit


@attrs.define(eq=False)
class _Bucket:
    """The factors that go with one variable, and the buckets before it whose messages come here; its own message is
    over ``others``."""

    variable: int
    factors: list[Instance] = attrs.field(factory=list)
    before: list[_Bucket] = attrs.field(factory=list)
    others: Scope = ()
    message: int = -1

    def all(self, but: _Bucket | None = None) -> list[Instance]:
        """Its factors and the messages to it, without that of ``but``."""
        sent = [(each.message, each.others) for each in self.before if each is not but and each.message >= 0]
        return self.factors + sent


class _Passes:
    def __init__(
        self, network: Network, masks: Sequence[int], limits: Limits, clock: Clock, arithmetic: Arithmetic
    ) -> None:
        dearest = [joint.dearest for joint in set(network.joints)]
        dearest += [cost for costs in network.costs.values() for cost in costs.values()]
        if max(dearest, default=0) >= arithmetic.forbidden:
            raise Overflow
        self._factors = Factors(arithmetic, limits.megabytes)
        self._parts = Parts(network, masks, self._factors, free=False)
        self._limits, self._clock = limits, clock
        self._found: list[Costs | None] = [[0] * mask.bit_count() for mask in masks]

    def run(self) -> list[Costs | None]:
        """The costs of each variable's values, above the least; None of those that are left out."""
        for part in self._parts:
            for v in self._parts.of_network(part):
                self._found[v] = None
            order = self._order(part)
            if order is not None:
                with suppress(LimitReached):
                    self._back(self._forth(part, order))
        if self._factors.saturated:
            raise Overflow
        return self._found

    def _order(self, part: Part) -> list[int] | None:
        """In which order to eliminate; None where that takes too large a table."""
        sizes = {v: self._parts.sizes[v] for v in part.variables}
        most = (self._limits.table_entries.bit_length() - 1) * BIT
        for ordering in (elimination_order, fewest_joined):
            order = ordering((scope for _, scope in part.instances), sizes)
            if all(weight <= most for _, weight in order):
                return [v for v, _ in order]
        return None

    def _forth(self, part: Part, order: Sequence[int]) -> list[_Bucket]:
        turn = {v: at for at, v in enumerate(order)}
        buckets = [_Bucket(v) for v in order]
        for instance in sorted(part.instances):
            buckets[min(turn[v] for v in instance[1])].factors.append(instance)
        for bucket in buckets:
            self._clock.check()
            scope = dict.fromkeys(v for _, each in bucket.all() for v in each)
            scope.pop(bucket.variable, None)
            bucket.others = tuple(scope)
            if scope:
                bucket.message, bucket.others = self._least(bucket.all(), bucket.others)
                buckets[min(turn[v] for v in scope)].before.append(bucket)
        return buckets

    def _back(self, buckets: Sequence[_Bucket]) -> None:
        rest: dict[int, Instance] = {}
        for bucket in reversed(buckets):
            self._clock.check()
            v = bucket.variable
            above = [rest[v]] if v in rest else []
            if v < len(self._found):
                factor, _ = self._least(bucket.all() + above, (v,))
                self._found[v] = self._costs(factor, self._parts.sizes[v])
            for before in bucket.before:
                factor, scope = self._least(bucket.all(but=before) + above, before.others)
                if factor >= 0:
                    rest[before.variable] = factor, scope

    def _least(self, factors: Sequence[Instance], kept: Scope) -> Instance:
        """The least of their sum over ``kept``; -1 is the factor of zeros."""
        places: dict[int, int] = {}
        key = []
        for factor, scope in factors:
            key.append((factor, tuple([places.setdefault(v, len(places)) for v in scope])))
        kept = tuple(v for v in kept if v in places)
        if not kept:
            return -1, ()
        found = self._factors.project(tuple(key), tuple([places[v] for v in kept]))
        assert found is not None, "a config exists"
        return found, kept

    def _costs(self, factor: int, size: int) -> Costs:
        if factor < 0:
            return [0] * size
        forbidden = self._factors.arithmetic.forbidden
        return [None if int(cost) >= forbidden else int(cost) for cost in self._factors.tables[factor]]
