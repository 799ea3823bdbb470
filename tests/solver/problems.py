"""Problems that are made by hand: grids, chains, triangles, and their answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

from qnnsolve.constraints import Allow, Constraint, Prefer, Problem, Relation, Site, Table
from qnnsolve.encodings import DType, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import Limits, Solution, Unsatisfiable, check, solve

U8, U16, S8 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16), Encoding.symmetric(DType.INT8, 8)


WHY = Reason.in_words("QX001", "the reason")


A, B, AB = Site("a"), Site("b"), Site("a", "b")


def solution(problem: Problem, limits: Limits | None = None) -> Solution:
    answer = solve(problem, limits or Limits())
    assert isinstance(answer, Solution)
    assert check(problem, answer.encodings).cost == answer.cost
    return answer


def everywhere(sites: Iterable[Site], candidates: tuple[Encoding, ...]) -> dict[Site, tuple[Encoding, ...]]:
    return dict.fromkeys(sites, candidates)


def conflicting(problem: Problem) -> Unsatisfiable:
    answer = solve(problem)
    assert isinstance(answer, Unsatisfiable)
    return answer


def grid(side: int, candidates: tuple[Encoding, ...] = (U8, U16, S8), apart: str = "n") -> Problem:
    """Every neighbour differs or pays, with wishes: tree width grows with ``side``."""
    rows = tuple(itertools.product(candidates, repeat=2))
    relation = Relation(rows, tuple(5 if a == b else (3 if b is S8 else 1) for a, b in rows))
    sites = {(x, y): Site(f"{apart}{x:02}{y:02}") for x in range(side) for y in range(side)}
    constraints: list[Constraint] = []
    for (x, y), site in sites.items():
        for other in ((x + 1, y), (x, y + 1)):
            if other in sites:
                constraints.append(Table((site, sites[other]), relation, WHY))
        constraints.append(Prefer(site, ((candidates[(x * y + x) % len(candidates)], 2),), WHY))
    return Problem(everywhere(sites.values(), candidates), tuple(constraints))


def dear(side: int, seed: int) -> Problem:
    """A grid with random tables. S8 fits beside everything, at the price of a node on the CPU; some sites need it."""
    draw = random.Random(seed)
    sites = {(x, y): Site(f"n{x:02}{y:02}") for x in range(side) for y in range(side)}
    constraints: list[Constraint] = []
    for (x, y), site in sites.items():
        for other in ((x + 1, y), (x, y + 1)):
            if other in sites:
                pairs = itertools.product((U8, U16, S8), repeat=2)
                rows = tuple(row for row in pairs if S8 in row or draw.random() < 0.7)
                relation = Relation(rows, tuple(draw.randint(0, 9) for _ in rows))
                constraints.append(Table((site, sites[other]), relation, WHY))
        constraints.append(Prefer(site, ((S8, 2**30), (U16, draw.randint(0, 9))), WHY))
    return Problem(everywhere(sites.values(), (U8, U16, S8)), tuple(constraints))


def triangle(relation: Relation) -> Problem:
    sites = [Site(name) for name in "abc"]
    tables = tuple(Table(pair, relation, WHY) for pair in itertools.combinations(sites, 2))
    return Problem(everywhere(sites, (U8, U16)), tables)


def alternating(length: int, ends: tuple[Encoding, Encoding], apart: str = "n") -> Problem:
    """A chain of neighbours that differ, in two encodings: one end decides the other."""
    sites = [Site(f"{apart}{i:04}") for i in range(length)]
    relation = Relation(((U8, U16), (U16, U8)), (0, 0))
    links = tuple(Table(pair, relation, WHY) for pair in itertools.pairwise(sites))
    pins = (Allow(sites[0], frozenset({ends[0]}), WHY), Allow(sites[-1], frozenset({ends[1]}), WHY))
    return Problem(everywhere(sites, (U8, U16)), (*links, *pins))
