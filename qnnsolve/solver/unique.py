"""The cheapest config where it is the only one: :func:`only_cheapest`.

It takes a shorter way than the rest of the engine: no propagation, one template for each kind of layer that repeats,
and for each kind of call elsewhere, and elimination over what these see of each other. Its order is another one; where
a single config is the cheapest, every order finds that one, so that the answer is still a function of the problem as a
set. Where several are, it gives no answer.
"""

from __future__ import annotations

import itertools
from collections import Counter
from operator import itemgetter
from typing import TypeAlias

import attrs

from qnnsolve.constraints import Allow, Forbid, Same, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver.answers import Convert
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.limits import Limits, Method
from qnnsolve.solver.model import Model
from qnnsolve.solver.optimum.elimination import Elimination, Instance
from qnnsolve.solver.optimum.factors import Arithmetic, Factors, Overflow
from qnnsolve.solver.optimum.ordering import BIT, elimination_order
from qnnsolve.solver.optimum.templates import Filled, LocalKind, Template, Templates
from qnnsolve.solver.places import places_of
from qnnsolve.solver.union_find import UnionFind

__all__ = ["OnlyCheapest", "only_cheapest"]

_ENTRIES = 1 << 14
"""Without propagation tables are larger than they need be: beyond this size the long way is taken."""


@attrs.frozen(eq=False)
class OnlyCheapest:
    """The only config of the least cost, by its parts in a :class:`~qnnsolve.solver.answers.Solution`; ``nodes``
    counts the eliminations."""

    encodings: dict[Site, Encoding]
    groups: tuple[tuple[Site, ...], ...]
    converts: tuple[Convert, ...]
    breakdown: dict[tuple[str, str], int]
    nodes: int


def only_cheapest(model: Model, limits: Limits, clock: Clock) -> OnlyCheapest | None:
    """None where several configs are the cheapest, or none exists, or the problem is too wide, or dear, for this way.

    Raises:
        LimitReached: the time is over, or the tables take more memory than they may.
    """
    if limits.method is Method.MILP:
        return None
    try:
        return _Search(model, limits, clock).run()
    except Overflow:
        return None


_Converted: TypeAlias = tuple[tuple[int, ...], int, Convert]
"""A convert, behind what puts it in order."""


class _Search:
    def __init__(self, model: Model, limits: Limits, clock: Clock) -> None:
        self._model, self._limits, self._clock = model, limits, clock
        self._factors = Factors(Arithmetic.fast(), limits.megabytes)
        places = places_of(model).by_layers()
        self._said, self._of, self._sites = places.said, places.of, places.sites
        self._join()

    def _join(self) -> None:
        """One variable for sites that share; it is known by its first site."""
        shared = UnionFind(range(len(self._model.sites)))
        same = [[at for kind, at in said if kind.type is Same] for said in self._said]
        for number, sites in zip(self._of, self._sites, strict=True):
            for at in same[number]:
                for other in at[1:]:
                    shared.join(sites[at[0]], sites[other])
        self._shared = shared
        self._variable = list(shared.roots().values())
        self._masks = list(self._model.domains)
        for site, v in enumerate(self._variable):
            if v != site:
                self._masks[v] &= self._masks[site]

    def _is_refuted(self) -> bool:
        """Whether what is said of single sites leaves a variable no value, as most pins that cannot hold do."""
        left = {v: self._masks[v] for v in set(self._variable)}
        alone = [[(kind, at[0]) for kind, at in said if kind.type in (Allow, Forbid)] for said in self._said]
        for number, sites in zip(self._of, self._sites, strict=True):
            for kind, column in alone[number]:
                left[self._variable[sites[column]]] &= kind.mask if kind.type is Allow else ~kind.mask
        return not all(left.values())

    def run(self) -> OnlyCheapest | None:
        placed = self._placed()
        if placed is None:
            return None
        base, instances = 0, []
        sizes: dict[int, int] = {}
        next_star = len(self._model.sites)
        whole: list[tuple[Template, tuple[int, ...]]] = []
        for template, scope in placed:
            base += template.base
            if template.stars:
                stars = range(next_star, next_star + len(template.stars))
                sizes.update(zip(stars, template.stars, strict=True))
                next_star = stars.stop
                scope = (*scope, *stars)
            whole.append((template, scope))
            for factor, at in template.factors:
                instances.append((factor, tuple([scope[v] for v in at])))
        found = self._eliminated(instances, sizes)
        if found is None:
            return None
        values, cost, nodes = found
        if not self._factors.certain(base + cost):
            return None
        steps = sum({id(template): template.steps for template, _ in whole}.values())
        return self._read(whole, values, nodes + steps)

    def _placed(self) -> list[tuple[Template, tuple[int, ...]]] | None:
        """The template and the variables of every place; None where nothing is possible."""
        variable, masks = self._variable, self._masks
        if self._is_refuted():
            return None
        scopes = [tuple([variable[site] for site in sites]) for sites in self._sites]
        often = Counter(itertools.chain.from_iterable([dict.fromkeys(scope) for scope in scopes]))
        code = {v: masks[v] << 1 | (count == 1) for v, count in often.items()}
        templates = Templates(self._model, self._factors, self._clock)
        made: dict[tuple[object, ...], Template] = {}
        placed: list[tuple[Template, tuple[int, ...]]] = []
        for number, scope in zip(self._of, scopes, strict=True):
            distinct = tuple(dict.fromkeys(scope))
            at = None if len(distinct) == len(scope) else _placed_in(distinct, scope)
            key = (number, at, *[code[v] for v in distinct])
            template = made.get(key)
            if template is None:
                said = self._said[number]
                local = said if at is None else [(kind, tuple([at[c] for c in columns])) for kind, columns in said]
                inner = {place for place, v in enumerate(distinct) if often[v] == 1}
                found = templates.make(local, tuple([masks[v] for v in distinct]), inner)
                if found is None:
                    return None
                template = made[key] = found
            placed.append((template, distinct))
        return placed

    def _eliminated(self, instances: list[Instance], sizes: dict[int, int]) -> tuple[dict[int, int], int, int] | None:
        """The only best values of the variables in ``instances``, their cost, and how many eliminations it took."""
        for _, scope in instances:
            for v in scope:
                if v not in sizes:
                    sizes[v] = self._masks[v].bit_count()
        order = elimination_order([scope for _, scope in instances], sizes)
        entries = min(_ENTRIES, self._limits.table_entries)
        most = (entries.bit_length() - 1) * BIT if entries else -1
        if any(weight > most for _, weight in order):
            return None
        elimination = Elimination(self._factors, instances, sizes, [v for v, _ in order])
        elimination.run(self._clock)
        values: dict[int, int] = {}
        if not elimination.feasible or not elimination.extend(values):
            return None
        return values, elimination.base, len(order)

    def _read(
        self, placed: list[tuple[Template, tuple[int, ...]]], values: dict[int, int], nodes: int
    ) -> OnlyCheapest | None:
        """The config in the words of the problem."""
        known: dict[tuple[int, ...], Filled] = {}
        counted: Counter[tuple[int, ...]] = Counter()
        converts: list[_Converted] = []
        shared = self._shared
        for (template, scope), said, sites in zip(placed, self._of, self._sites, strict=True):
            stars = range(len(template.masks), len(template.masks) + len(template.stars))
            left = [values.get(scope[v], -1) for v in (*template.open, *stars)]
            key = (id(template), *left)
            filled = known.get(key)
            if filled is None:
                if -1 in left:  # nothing decides it: others are as good
                    return None
                filled = known[key] = template.filled(left, self._model)
                if not filled.only:
                    return None
            counted[key] += 1
            for v, place in filled.values:
                values[scope[v]] = place
            for one, other in filled.joined:
                shared.join(scope[one], scope[other])
            for number, source, target in filled.converts:
                converts.append(self._convert(sites, self._said[said][number], source, target))
        breakdown: Counter[tuple[str, str]] = Counter()
        for key, count in counted.items():
            for paid, price in known[key].paid:
                breakdown[paid] += price * count
        return OnlyCheapest(
            self._encodings(values),
            self._groups(),
            tuple([convert for _, _, convert in sorted(converts, key=itemgetter(0, 1))]),
            dict(sorted(breakdown.items())),
            nodes,
        )

    def _convert(self, sites: tuple[int, ...], said: LocalKind, source: int, target: int) -> _Converted:
        kind, at = said
        where = tuple([sites[column] for column in at])
        ends = self._model.encodings[source], self._model.encodings[target]
        return where, kind.rank, Convert(self._model.sites[where[1]], *ends, kind.price, kind.reason)

    def _encodings(self, values: dict[int, int]) -> dict[Site, Encoding]:
        masks, known = self._masks, self._model.encodings
        candidates = {mask: [known[value] for value in bits_of(mask)] for mask in set(masks)}
        return {
            site: candidates[masks[v]][values.get(v, 0)]
            for site, v in zip(self._model.sites, self._variable, strict=True)
        }

    def _groups(self) -> tuple[tuple[Site, ...], ...]:
        found: dict[int, list[Site]] = {}
        for site, top in zip(self._model.sites, self._shared.roots().values(), strict=True):
            found.setdefault(top, []).append(site)
        return tuple(map(tuple, found.values()))


def _placed_in(distinct: tuple[int, ...], scope: tuple[int, ...]) -> tuple[int, ...]:
    """For each of ``scope`` where it stands in ``distinct``."""
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    return tuple([place[v] for v in scope])
