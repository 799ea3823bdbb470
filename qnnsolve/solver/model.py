"""The problem in canonical form: sites, encodings and constraints sorted, so that input order leaves no trace.

An encoding is an index (by sort key) and a domain a bitmask over these indices; a constraint is an index into
the sorted tuple. Relations of equal content become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import attrs

from qnnsolve.constraints import (
    Allow,
    Constraint,
    Convertible,
    Derived,
    Forbid,
    Prefer,
    Problem,
    Same,
    Site,
    Table,
)
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver.joint import Joint, Row
from qnnsolve.solver.numbering import KINDS, numbered

__all__ = ["Model"]


def encoding_key(encoding: Encoding) -> tuple[object, ...]:
    """The encoding's sort key, with what two encodings of one name and range may still differ in."""
    return (*encoding.sort_key, encoding.dtype.value, encoding.qscheme.value)


@attrs.frozen(eq=False)
class Content:
    """A relation's rows over encoding indices, with internal prices; ``rank`` is canonical by content."""

    rows: tuple[Row, ...]
    prices: tuple[int, ...]
    rank: int

    @cached_property
    def price_of(self) -> dict[Row, int]:
        """Internal price by row."""
        return dict(zip(self.rows, self.prices, strict=True))


@attrs.frozen(eq=False)
class Kind:
    """What constraints that differ in their sites alone have in common, over encoding indices.

    ``type`` is their class, and ``rank`` the place among all kinds that no order of the problem changes; two whose
    ``rank`` is the same say the same. ``price`` is that of a convert, ``content`` the rows of what has rows, ``mask``
    what an ``Allow`` keeps or a ``Forbid`` takes away; ``costs`` are internal costs by value, without zeros.
    """

    type: type[Constraint]
    reason: Reason
    price: int
    rank: int
    content: Content | None
    mask: int
    costs: dict[int, int]


class Model:
    """Canonical form of a problem.

    Internal costs are ``cost * unit``, plus one for every convert: comparing them compares cost first and the
    number of converts second. ``unit`` is more than twice ``converts``, the most that a solution can have, so
    that a bound which floating point blurs a little still tells one cost from the next.
    """

    def __init__(self, problem: Problem) -> None:
        self.sites: tuple[Site, ...] = tuple(sorted(problem.domains))
        self.site_index = {site: index for index, site in enumerate(self.sites)}
        distinct = {id(domain): domain for domain in problem.domains.values()}
        known = {encoding for domain in distinct.values() for encoding in domain}
        self.encodings: tuple[Encoding, ...] = tuple(sorted(known, key=encoding_key))
        self.encoding_index = {encoding: index for index, encoding in enumerate(self.encodings)}
        masks = {key: self.mask(domain) for key, domain in distinct.items()}
        self.domains = [masks[id(problem.domains[site])] for site in self.sites]
        self._masks: dict[int, int] = {}
        self._joints: dict[tuple[int, tuple[int, ...]], Joint] = {}
        self._problem = problem
        self.numbering = numbered(problem.constraints, self.site_index)
        first = self.numbering.first
        self.converts = sum(self.numbering.met[number] for number, c in enumerate(first) if isinstance(c, Convertible))
        self.unit = max(256, 4 << self.converts.bit_length())
        self._contents = self._rank_contents(first)
        self.said: tuple[Kind, ...] = tuple(self._kinds(first))

    def mask(self, encodings: tuple[Encoding, ...] | frozenset[Encoding]) -> int:
        """Bitmask of those encodings that some site has as a candidate."""
        index = self.encoding_index
        mask = 0
        for encoding in encodings:
            if encoding in index:
                mask |= 1 << index[encoding]
        return mask

    def content(self, constraint: Table | Derived | Convertible) -> Content:
        """The rows of a constraint, one column per entry of ``constraint.sites``."""
        return self._contents[_content_key(constraint)]

    def _rank_contents(self, constraints: Iterable[Constraint]) -> dict[tuple[int, int], Content]:
        raw: dict[tuple[int, int], tuple[tuple[Row, int], ...]] = {}
        index = self.encoding_index
        for c in constraints:
            if not isinstance(c, Table | Derived | Convertible) or _content_key(c) in raw:
                continue
            if isinstance(c, Convertible):
                pairs = [(index[a], index[b]) for a, b in c.pairs if a != b and a in index and b in index]
                rows: list[tuple[Row, int]] = [((value, value), 0) for value in range(len(index))]
                rows += [(pair, c.price * self.unit + 1) for pair in pairs]
            else:
                priced = c.relation.price_of.items()
                rows = [
                    (tuple(index[e] for e in row), price * self.unit)
                    for row, price in priced
                    if all(e in index for e in row)
                ]
            raw[_content_key(c)] = tuple(sorted(rows))
        shared: dict[tuple[tuple[Row, int], ...], Content] = {}
        for rank, content in enumerate(sorted(set(raw.values()))):
            shared[content] = Content(tuple(row for row, _ in content), tuple(price for _, price in content), rank)
        return {key: shared[content] for key, content in raw.items()}

    @cached_property
    def _order(self) -> list[tuple[tuple[int, ...], int, int, Kind]]:
        """Sites, rank, place in the problem and kind of every constraint, in canonical order."""
        kinds = self.said
        return sorted(
            [(where, kinds[number].rank, place, kinds[number]) for place, (where, number) in enumerate(self.numbering)]
        )

    @cached_property
    def where(self) -> list[tuple[int, ...]]:
        """The sites of every constraint, in canonical order."""
        return [where for where, _, _, _ in self._order]

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kind of every constraint, in canonical order."""
        return [kind for _, _, _, kind in self._order]

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """In canonical order, as ``where`` and ``kinds``; many are made now."""
        made = tuple(self._problem.constraints)
        return tuple([made[place] for _, _, place, _ in self._order])

    def _kinds(self, first: Sequence[Constraint]) -> list[Kind]:
        """The kind of each of these constraints, of which no two share all their objects."""
        reasons = list({id(c.reason): c.reason for c in first}.values())
        said, cited = _ranks(reasons, _said), _ranks(reasons, lambda reason: reason.sources)
        keys = [(KINDS[type(c)], said[id(c.reason)], self._tiebreak(c), cited[id(c.reason)]) for c in first]
        ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        return [self._kind(c, ranks[key]) for c, key in zip(first, keys, strict=True)]

    def _kind(self, c: Constraint, rank: int) -> Kind:
        content = self.content(c) if isinstance(c, Table | Derived | Convertible) else None
        mask = self.unary_mask(c) if isinstance(c, Allow | Forbid) else 0
        costs: dict[int, int] = {}
        for encoding, cost in c.costs if isinstance(c, Prefer) else ():
            value = self.encoding_index.get(encoding)
            if value is not None and cost:
                costs[value] = costs.get(value, 0) + cost * self.unit
        price = c.price if isinstance(c, Convertible) else 0
        return Kind(type(c), c.reason, price, rank, content, mask, costs)

    def _tiebreak(self, c: Constraint) -> Any:
        """Comparable among constraints of one class."""
        if isinstance(c, Table | Derived | Convertible):
            rank = self.content(c).rank
            return (c.price, rank) if isinstance(c, Convertible) else rank
        if isinstance(c, Prefer):
            return tuple(sorted([(self.encoding_index.get(e, -1), cost) for e, cost in c.costs]))
        return 0 if isinstance(c, Same) else self.unary_mask(c)

    def lower_bound(self, internal: int) -> int:
        """The least cost of a config whose internal cost is at least this."""
        return max(0, -((self.converts - internal) // self.unit))

    def unary_mask(self, constraint: Allow | Forbid) -> int:
        """What an ``Allow`` keeps, or a ``Forbid`` takes away."""
        key = id(constraint.encodings)
        if key not in self._masks:
            self._masks[key] = self.mask(constraint.encodings)
        return self._masks[key]

    def joint(self, content: Content, pattern: tuple[int, ...]) -> Joint:
        """The compiled relation over distinct variables; ``pattern[i]`` is the variable in column ``i``."""
        key = (content.rank, pattern)
        known = self._joints.get(key)
        if known is None:
            arity = max(pattern, default=-1) + 1
            known = self._joints[key] = Joint(_project(content, pattern, arity), arity)
        return known


def _ranks(reasons: Iterable[Reason], key: Callable[[Reason], Any]) -> dict[int, int]:
    """The place of each reason (by ``id``) in the order of the keys; equal keys have one place."""
    keys = {id(reason): key(reason) for reason in reasons}
    rank = {value: place for place, value in enumerate(sorted(set(keys.values())))}
    return {identity: rank[value] for identity, value in keys.items()}


def _said(reason: Reason) -> tuple[object, ...]:
    """The rule and what it says, so that any two can be put in order."""
    return (reason.rule, reason.says.value, tuple((name, str(value)) for name, value in reason.given))


def _content_key(constraint: Table | Derived | Convertible) -> tuple[int, int]:
    """Identity of what the rows depend on (the problem outlives the model, so an ``id`` stays valid)."""
    if isinstance(constraint, Convertible):
        return id(constraint.pairs), constraint.price
    return id(constraint.relation), -1


def _project(content: Content, pattern: tuple[int, ...], arity: int) -> list[tuple[Row, int]]:
    if pattern == tuple(range(arity)):
        return list(zip(content.rows, content.prices, strict=True))
    first: Callable[[int], int] = pattern.index
    kept = []
    for row, price in zip(content.rows, content.prices, strict=True):
        if all(row[column] == row[first(variable)] for column, variable in enumerate(pattern)):
            kept.append((tuple(row[first(variable)] for variable in range(arity)), price))
    return kept
