"""The problem as rows: candidates, and the constraints with their relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from qnnsolve.constraints import (
    Allow,
    Constraint,
    Convertible,
    Derived,
    Forbid,
    LeftOut,
    Prefer,
    Problem,
    Relation,
    Same,
    Site,
    Table,
)
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.base import Facts
from qnnsolve.runs.file import Row, Rows
from qnnsolve.runs.ids import Ids, Met, StoredIds, compact, parsed, parsed_all
from qnnsolve.runs.left_out import bare_sites, left_out_rows, read_left_out

__all__ = ["problem_rows", "read_problem", "read_sites"]

PricedRows: TypeAlias = tuple[tuple[tuple[Encoding, ...], int], ...]
"""Rows with their prices: what a :class:`Relation`, the pairs of a convert, and sets of one site's encodings are."""


def problem_rows(
    facts: Facts, problem: Problem, met: Met, chosen: Mapping[Site, Encoding], shares: Mapping[Site, int]
) -> dict[str, list[Row]]:
    """The rows of the problem's tables: of its sites, candidates, constraints and reasons."""
    domains, relations, reasons = Ids[tuple[Encoding, ...]](), Ids[PricedRows](), Ids[Reason]()
    records = Ids[LeftOut]()
    ordered = sorted(problem.domains)
    for site in ordered:  # before what came of the solve, so that ids do not depend on it
        met.encodings.many((*problem.domains[site], facts.asked(site)))
        records(problem.left_out(site))
    bare = [(site, records(problem.left_out(site))) for site in bare_sites(facts.graph, problem)]
    left_out = left_out_rows(records, reasons, met)
    number = {site: at for at, site in enumerate(ordered)}
    sites: list[Row] = [
        (
            at,
            met.nodes(site.node),
            met.nodes(site.user) if site.user else None,
            domains(problem.domains[site]),
            met.encodings(facts.asked(site)),
            met.encodings(chosen[site]) if site in chosen else None,
            shares.get(site),
            records(problem.left_out(site)),
        )
        for at, site in enumerate(ordered)
    ]
    shared: dict[int, int] = {}
    constraints: list[Row] = [
        (
            at,
            type(c).__name__,
            compact([number[site] for site in c.sites]),
            _relation_id(c, relations, shared),
            c.price if isinstance(c, Convertible) else None,
            reasons(c.reason),
        )
        for at, c in enumerate(problem.constraints)
    ]
    return left_out | {
        "sites": sites,
        "without_candidates": [
            (met.nodes(site.node), met.nodes(site.user) if site.user else None, record) for site, record in bare
        ],
        "domains": [(at, met.encodings.many(domain)) for at, domain in enumerate(domains)],
        "constraints": constraints,
        "relations": [(at, len(rows)) for at, rows in enumerate(relations)],
        "relation_rows": [
            (at, met.encodings.many(row), price) for at, rows in enumerate(relations) for row, price in rows
        ],
        "reasons": [
            (at, reason.rule, reason.says.name, compact(reason.given), met.sources.many(reason.sources))
            for at, reason in enumerate(reasons)
        ],
    }


def _relation_id(constraint: Constraint, relations: Ids[PricedRows], shared: dict[int, int]) -> int | None:
    """The id of the rows that a constraint names; ``shared`` knows those of objects that were met before."""
    match constraint:
        case Same():
            return None
        case Table() | Derived():
            named: object = constraint.relation
        case Allow() | Forbid():
            named = constraint.encodings
        case Convertible():
            named = constraint.pairs
        case Prefer():
            named = constraint.costs
    if id(named) not in shared:
        shared[id(named)] = relations(_priced(constraint))
    return shared[id(named)]


def _priced(constraint: Allow | Forbid | Table | Derived | Convertible | Prefer) -> PricedRows:
    match constraint:
        case Table() | Derived():
            return tuple(zip(constraint.relation.rows, constraint.relation.prices, strict=True))
        case Allow() | Forbid():
            return tuple(((encoding,), 0) for encoding in sorted(constraint.encodings))
        case Convertible():
            return tuple((pair, 0) for pair in sorted(constraint.pairs))
        case Prefer():
            return tuple(((encoding,), cost) for encoding, cost in constraint.costs)


def read_sites(rows: Rows, known: StoredIds) -> tuple[Site, ...]:
    """The sites, by their ids."""
    names = known.nodes
    return tuple([Site(names[row[1]], "" if row[2] is None else names[row[2]]) for row in rows["sites"]])


def read_problem(rows: Rows, known: StoredIds, sites: tuple[Site, ...]) -> Problem:
    """The problem whose rows these are; what is equal in them is one object."""
    domains = [known.encodings_of(text) for _, text in rows["domains"]]
    reasons = [
        Reason(rule, Says[says], tuple([(name, value) for name, value in parsed(given)]), known.sources_of(sources))
        for _, rule, says, given, sources in rows["reasons"]
    ]
    priced: list[list[tuple[tuple[Encoding, ...], int]]] = [[] for _ in rows["relations"]]
    for relation, text, price in rows["relation_rows"]:
        priced[relation].append((known.encodings_of(text), price))
    if [len(each) for each in priced] != [number for _, number in rows["relations"]]:
        raise ValueError("a relation has not all of its rows")
    read = _Reader([tuple(each) for each in priced])
    named = parsed_all([row[2] for row in rows["constraints"]])
    return Problem(
        {site: domains[row[3]] for site, row in zip(sites, rows["sites"], strict=True)},
        tuple(
            [
                read.constraint(kind, [sites[at] for at in places], relation, price, reasons[reason])
                for (_, kind, _, relation, price, reason), places in zip(rows["constraints"], named, strict=True)
            ]
        ),
        read_left_out(rows, known, sites, reasons),
    )


class _Reader:
    """Makes each relation, set and list of costs once."""

    def __init__(self, priced: list[PricedRows]) -> None:
        self._priced = priced
        self._relations: dict[int, Relation] = {}
        self._sets: dict[int, frozenset[Encoding]] = {}
        self._pairs: dict[int, frozenset[tuple[Encoding, Encoding]]] = {}
        self._costs: dict[int, tuple[tuple[Encoding, int], ...]] = {}

    def constraint(self, kind: str, sites: list[Site], relation: int, price: int, reason: Reason) -> Constraint:
        """One constraint of its row."""
        match kind:
            case "Prefer":
                return Prefer(sites[0], self._cost(relation), reason)
            case "Table":
                return Table(tuple(sites), self._relation(relation), reason)
            case "Convertible":
                return Convertible(sites[0], sites[1], self._pair(relation), price, reason)
            case "Same":
                return Same(tuple(sites), reason)
            case "Derived":
                return Derived(sites[-1], tuple(sites[:-1]), self._relation(relation), reason)
            case "Allow":
                return Allow(sites[0], self._set(relation), reason)
            case "Forbid":
                return Forbid(sites[0], self._set(relation), reason)
        raise ValueError(f"there is no constraint called {kind}")

    def _relation(self, at: int) -> Relation:
        if at not in self._relations:
            rows, prices = _columns(self._priced[at])
            self._relations[at] = Relation(rows, prices)
        return self._relations[at]

    def _set(self, at: int) -> frozenset[Encoding]:
        if at not in self._sets:
            self._sets[at] = frozenset(encoding for (encoding,), _ in self._priced[at])
        return self._sets[at]

    def _pair(self, at: int) -> frozenset[tuple[Encoding, Encoding]]:
        if at not in self._pairs:
            self._pairs[at] = frozenset((source, target) for (source, target), _ in self._priced[at])
        return self._pairs[at]

    def _cost(self, at: int) -> tuple[tuple[Encoding, int], ...]:
        if at not in self._costs:
            self._costs[at] = tuple((encoding, cost) for (encoding,), cost in self._priced[at])
        return self._costs[at]


def _columns(
    priced: Iterable[tuple[tuple[Encoding, ...], int]],
) -> tuple[tuple[tuple[Encoding, ...], ...], tuple[int, ...]]:
    pairs = list(priced)
    return tuple(row for row, _ in pairs), tuple(price for _, price in pairs)
