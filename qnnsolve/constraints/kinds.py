"""Sites, and constraints as data."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, TypeAlias

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason

__all__ = ["Allow", "Constraint", "Convertible", "Derived", "Forbid", "Prefer", "Relation", "Same", "Site", "Table"]


class Site(NamedTuple):
    """Where an encoding lives: the output of ``node``, or the edge from ``node`` to ``user``.

    The same as torchao's ``EdgeOrNode``: ``add(x, x)`` has one edge, since edges are keyed by their ends. A tuple:
    nothing is looked up as often, and its hash takes a third of a frozen class's.
    """

    node: str
    user: str = ""

    def __str__(self) -> str:
        return f"{self.node} -> {self.user}" if self.user else self.node


@attrs.frozen(eq=False)
class Relation:
    """Rows of encodings that may stand together, one column per site, each row at a price (>= 0).

    Compared by identity: build one per signature and share it.
    """

    rows: tuple[tuple[Encoding, ...], ...]
    prices: tuple[int, ...]

    def __attrs_post_init__(self) -> None:
        if len(self.rows) != len(self.prices):
            raise ValueError("a relation needs one price per row")
        if len(set(map(len, self.rows))) > 1:
            raise ValueError("the rows of a relation have one length")
        if any(price < 0 for price in self.prices):
            raise ValueError("prices are never negative")

    @property
    def width(self) -> int | None:
        """The number of columns; ``None`` without rows."""
        return len(self.rows[0]) if self.rows else None

    @cached_property
    def price_of(self) -> dict[tuple[Encoding, ...], int]:
        """Cheapest price by row."""
        best: dict[tuple[Encoding, ...], int] = {}
        for row, price in zip(self.rows, self.prices, strict=True):
            best[row] = min(price, best.get(row, price))
        return best


@attrs.frozen(eq=False)
class Allow:
    """Only these encodings at one site."""

    site: Site
    encodings: frozenset[Encoding]
    reason: Reason

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that it names, in column order."""
        return (self.site,)


@attrs.frozen(eq=False)
class Forbid:
    """None of these encodings at one site."""

    site: Site
    encodings: frozenset[Encoding]
    reason: Reason

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that it names, in column order."""
        return (self.site,)


@attrs.frozen(eq=False)
class Same:
    """All sites carry one encoding, with one scale and zero point."""

    sites: tuple[Site, ...]
    reason: Reason


@attrs.frozen(eq=False)
class Table:
    """The sites together take one row of the relation, and pay the row's price."""

    sites: tuple[Site, ...]
    relation: Relation
    reason: Reason


@attrs.frozen(eq=False)
class Derived:
    """The scale at ``site`` is computed from those at ``sources`` (bias = input scale x weight scale).

    ``relation`` has one column per source and the site's own last: which dtype follows from which. To the
    solver it is a table; to the quantizer it says where the scale comes from.
    """

    site: Site
    sources: tuple[Site, ...]
    relation: Relation
    reason: Reason

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that it names, in column order."""
        return (*self.sources, self.site)


@attrs.frozen(eq=False)
class Convertible:
    """``target`` (an edge) equals ``source`` (its producer's output), or one of ``pairs`` at ``price``.

    ``pairs`` lists (source encoding, target encoding) that a convert can bridge. A bridged edge has its own
    scale and zero point; an equal one shares its producer's.
    """

    source: Site
    target: Site
    pairs: frozenset[tuple[Encoding, Encoding]]
    price: int
    reason: Reason

    def __attrs_post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("prices are never negative")

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that it names, in column order."""
        return (self.source, self.target)


@attrs.frozen(eq=False)
class Prefer:
    """A preference, not a demand: what each encoding costs at one site (>= 0). Encodings that are not named cost
    nothing."""

    site: Site
    costs: tuple[tuple[Encoding, int], ...]
    reason: Reason

    def __attrs_post_init__(self) -> None:
        for _, cost in self.costs:
            if cost < 0:
                raise ValueError("costs are never negative")

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites that it names, in column order."""
        return (self.site,)


Constraint: TypeAlias = Allow | Forbid | Same | Table | Derived | Convertible | Prefer
