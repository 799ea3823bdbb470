"""Small random problems with measures, and the brute force that answers what is asked of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping

from qnnsolve.constraints import Problem, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.solver import Measure, Term, check
from tests.solver.generate import PALETTE, graph_problem, random_problem

Config = dict[Site, Encoding]
NAMES = ("noise", "weights", "converts")


def measured(draw: random.Random, sites: int = 6) -> tuple[Problem, tuple[Measure, ...]]:
    """A problem and three measures of it: real amounts over nine decades, whole ones, and ones and zeros."""
    make = random_problem if draw.random() < 0.5 else graph_problem
    problem = make(draw, sites, draw.choice((0.2, 0.5)))
    scopes: list[tuple[Site, ...]] = [(site,) for site in problem.domains]
    scopes += [c.sites for c in problem.constraints if isinstance(c, Table)]
    scopes += [tuple(draw.choices(list(problem.domains), k=draw.randint(2, 3))) for _ in range(2)]
    amount = {
        "noise": lambda: 10 ** draw.uniform(-9, 0),
        "weights": lambda: float(draw.randint(0, 9)),
        "converts": lambda: float(draw.random() < 0.3),
    }
    measures = []
    for name in NAMES:
        terms = []
        for scope in draw.sample(scopes, draw.randint(0, len(scopes))):
            every = list(itertools.product(PALETTE, repeat=len(scope)))
            listed = draw.sample(every, draw.randint(0, len(every)))
            terms.append(Term(scope, {row: amount[name]() for row in listed}))
        measures.append(Measure(name, tuple(terms)))
    return problem, tuple(measures)


def legal_configs(problem: Problem) -> Iterator[Config]:
    """Every config that the independent checker accepts."""
    for choice in itertools.product(*problem.domains.values()):
        config = dict(zip(problem.domains, choice, strict=True))
        if check(problem, config).legal:
            yield config


def amounts(measures: tuple[Measure, ...], config: Mapping[Site, Encoding]) -> dict[str, float]:
    """What each measure comes to."""
    return {measure.name: measure.of(config) for measure in measures}
