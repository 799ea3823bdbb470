"""Small random problems, and the brute force that answers them."""

from __future__ import annotations

import itertools
import random

import attrs

from qnnsolve.constraints import (
    Allow,
    Constraint,
    Convertible,
    Derived,
    Forbid,
    Prefer,
    Problem,
    Relation,
    Same,
    Site,
    Table,
)
from qnnsolve.encodings import FLOAT, DType, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import check

PALETTE = (
    Encoding.affine(DType.UINT8),
    Encoding.affine(DType.UINT16),
    Encoding.symmetric(DType.INT8, 8),
    FLOAT,
)
PRICES = (0, 0, 0, 1, 1, 2, 3, 5, 40, 2**30, 2**40)


def reason(index: int) -> Reason:
    return Reason.in_words(f"QX{index:03d}", f"because of {index}")


def random_problem(seed: int | random.Random, sites: int = 6, tightness: float = 0.5, factor: float = 1.2) -> Problem:
    """A problem of up to ``sites`` sites and 4 encodings; the same for the same seed.

    With a random source of hypothesis every choice is its own, and shrinks.
    """
    draw = seed if isinstance(seed, random.Random) else random.Random(seed)
    names = [Site(f"n{i}", f"n{i + 1}" if draw.random() < 0.4 else "") for i in range(draw.randint(1, sites))]
    domains = {s: tuple(draw.sample(PALETTE, draw.choice((1, 2, 3, 4, 4)))) for s in names}
    relations: dict[int, list[Relation]] = {}
    constraints: list[Constraint] = []
    for index in range(draw.randint(0, round(factor * len(names)) + 1)):
        constraints.append(_constraint(draw, names, relations, tightness, reason(index)))
    return Problem(domains, tuple(constraints))


def _constraint(
    draw: random.Random, names: list[Site], relations: dict[int, list[Relation]], tightness: float, why: Reason
) -> Constraint:
    kind = draw.choice(
        ["allow", "forbid", "same", "table", "table", "table", "derived", "convert", "convert", "prefer"]
    )
    site = draw.choice(names)
    match kind:
        case "allow":
            return Allow(site, frozenset(draw.sample(PALETTE, draw.randint(1, 3))), why)
        case "forbid":
            return Forbid(site, frozenset(draw.sample(PALETTE, 1)), why)
        case "same":
            return Same(tuple(draw.choices(names, k=draw.randint(2, 3))), why)
        case "prefer":
            return Prefer(site, tuple((e, draw.choice(PRICES)) for e in draw.sample(PALETTE, 2)), why)
        case "convert":
            pairs = frozenset((draw.choice(PALETTE), draw.choice(PALETTE)) for _ in range(draw.randint(2, 30)))
            return Convertible(site, draw.choice(names), pairs, draw.choice(PRICES[:9]), why)
    ends = tuple(draw.choices(names, k=draw.randint(1, 3)))
    relation = _relation(draw, len(ends), relations, tightness)
    return Table(ends, relation, why) if kind == "table" else Derived(ends[-1], ends[:-1], relation, why)


def graph_problem(seed: int | random.Random, sites: int = 6, tightness: float = 0.5) -> Problem:
    """A problem of the shape that rules make of a graph, of up to ``sites`` sites; the same for the same arguments.

    Nodes in chains: an edge converts or equals what its producer has; each node has up to three tables over some of its
    ports each, and may have ports that share one encoding, two columns of one table among them.
    """
    draw = seed if isinstance(seed, random.Random) else random.Random(seed)
    constraints: list[Constraint] = []
    relations: dict[int, list[Relation]] = {}
    found: list[Site] = []
    outputs: list[Site] = []
    while len(found) < sites and not (found and draw.random() < 0.1):
        name = f"n{len(outputs)}"
        read = draw.sample(outputs, min(len(outputs), draw.randint(0, 2), sites - len(found) - 1))
        ports = [*(Site(each.node, name) for each in read), Site(name)]
        for producer, edge in zip(read, ports, strict=False):
            constraints.append(_across(draw, producer, edge, reason(len(constraints))))
        for _ in range(draw.randint(0, 3) if len(ports) > 1 else draw.randint(0, 1)):
            over = tuple(draw.sample(ports, draw.randint(min(2, len(ports)), len(ports))))
            relation = _relation(draw, len(over), relations, tightness)
            constraints.append(Table(over, relation, reason(len(constraints))))
        if len(ports) > 1 and draw.random() < 0.4:
            constraints.append(Same(tuple(draw.sample(ports, 2)), reason(len(constraints))))
        if draw.random() < 0.5:
            costs = tuple((each, draw.choice(PRICES)) for each in draw.sample(PALETTE, 2))
            constraints.append(Prefer(draw.choice(ports), costs, reason(len(constraints))))
        found += ports
        outputs.append(ports[-1])
    domains = {site: tuple(draw.sample(PALETTE, draw.choice((2, 3, 4, 4)))) for site in found}
    return Problem(domains, tuple(constraints))


def _across(draw: random.Random, producer: Site, edge: Site, why: Reason) -> Constraint:
    if draw.random() < 0.3:
        return Same((producer, edge), why)
    pairs = frozenset((draw.choice(PALETTE), draw.choice(PALETTE)) for _ in range(draw.randint(2, 20)))
    return Convertible(producer, edge, pairs, draw.choice(PRICES[:9]), why)


def _relation(draw: random.Random, arity: int, relations: dict[int, list[Relation]], tightness: float) -> Relation:
    """One of at most two per arity, since tables of a graph share theirs."""
    known = relations.setdefault(arity, [])
    if len(known) < 2:
        every = list(itertools.product(PALETTE, repeat=arity))
        rows = draw.sample(every, max(1, round(len(every) * (1 - tightness) * draw.random())))
        known.append(Relation(tuple(rows), tuple(draw.choice(PRICES) for _ in rows)))
    return draw.choice(known)


def brute_force(problem: Problem) -> int | None:
    """The least cost over all configs; ``None`` if none is legal."""
    sites = list(problem.domains)
    best: int | None = None
    for choice in itertools.product(*problem.domains.values()):
        cost = check(problem, dict(zip(sites, choice, strict=True))).cost
        if cost is not None and (best is None or cost < best):
            best = cost
    return best


def shuffled(problem: Problem, seed: int) -> Problem:
    """The same problem with constraints, domains, candidates and rows in another order."""
    draw = random.Random(seed)
    sites = draw.sample(sorted(problem.domains), len(problem.domains))
    domains = {s: tuple(draw.sample(problem.domains[s], len(problem.domains[s]))) for s in sites}
    relations: dict[int, Relation] = {}

    def mixed(relation: Relation) -> Relation:
        if id(relation) not in relations:
            order = draw.sample(range(len(relation.rows)), len(relation.rows))
            rows = tuple(relation.rows[i] for i in order)
            relations[id(relation)] = Relation(rows, tuple(relation.prices[i] for i in order))
        return relations[id(relation)]

    constraints = [
        attrs.evolve(c, relation=mixed(c.relation)) if isinstance(c, Table | Derived) else attrs.evolve(c)
        for c in problem.constraints
    ]
    draw.shuffle(constraints)
    return Problem(domains, tuple(constraints))


def moderate(problem: Problem) -> Problem:
    """The problem with every price at most 50: within what HiGHS can prove in floating point."""
    relations = {
        id(c.relation): attrs.evolve(c.relation, prices=tuple(min(price, 50) for price in c.relation.prices))
        for c in problem.constraints
        if isinstance(c, Table | Derived)
    }

    def lowered(c: Constraint) -> Constraint:
        match c:
            case Table() | Derived():
                return attrs.evolve(c, relation=relations[id(c.relation)])
            case Convertible():
                return attrs.evolve(c, price=min(c.price, 50))
            case Prefer():
                return attrs.evolve(c, costs=tuple((e, min(cost, 50)) for e, cost in c.costs))
        return c

    return attrs.evolve(problem, constraints=tuple(map(lowered, problem.constraints)))
