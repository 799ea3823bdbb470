"""Problems that no rule makes, to find out what the solver does at its worst: :func:`adversarial`.

Long skips keep early choices open to the end, dense sharing joins far ends, every table is another one, and all of it
hangs together: the component is too wide for elimination from some hundred ops on.
"""

from __future__ import annotations

import itertools
import random

from qnnsolve.constraints import Constraint, Convertible, Prefer, Problem, Relation, Same, Site, Table
from qnnsolve.encodings import DType, Encoding
from qnnsolve.reasons import Reason

__all__ = ["adversarial"]

DOMAIN = (
    Encoding.affine(DType.UINT8),
    Encoding.affine(DType.UINT16),
    Encoding.symmetric(DType.INT8, 8),
    Encoding.symmetric(DType.INT16, 16),
)
WHY = Reason.in_words("QB910", "it makes the solve hard")


def _irregular(draw: random.Random, planted: tuple[Encoding, ...]) -> Relation:
    """A table of its own that takes ``planted``, and a good half of all other rows, each at a price of its own."""
    rows = {row: draw.randrange(1000) for row in itertools.product(DOMAIN, repeat=len(planted)) if draw.random() < 0.6}
    rows[planted] = draw.randrange(1000)
    ordered = sorted(rows.items())
    return Relation(tuple(row for row, _ in ordered), tuple(price for _, price in ordered))


def adversarial(ops: int, seed: int = 0) -> Problem:
    """A satisfiable problem of ``ops`` ops with two or three inputs each; same arguments, same problem."""
    draw = random.Random(seed)
    domains: dict[Site, tuple[Encoding, ...]] = {}
    constraints: list[Constraint] = []
    planted: dict[Site, Encoding] = {}
    pairs = frozenset(itertools.permutations(DOMAIN, 2))
    outputs: list[Site] = []
    for number in range(ops):
        output = Site(f"op_{number:06d}")
        domains[output], planted[output] = DOMAIN, draw.choice(DOMAIN)
        near = outputs[-3:]
        sources = {draw.choice(near)} if near else set()
        sources |= {outputs[draw.randrange(len(outputs))] for _ in range(2) if outputs}  # skips of any length
        edges = []
        for source in sorted(sources):
            edge = Site(source.node, output.node)
            domains[edge], planted[edge] = DOMAIN, draw.choice(DOMAIN)
            constraints.append(Convertible(source, edge, pairs, draw.randrange(50, 150), WHY))
            edges.append(edge)
        sites = (*edges, output)
        constraints.append(Table(sites, _irregular(draw, tuple(planted[site] for site in sites)), WHY))
        costs = tuple((encoding, draw.randrange(300)) for encoding in DOMAIN)
        constraints.append(Prefer(output, costs, WHY))
        twin = outputs[draw.randrange(len(outputs))] if outputs else output
        if draw.random() < 0.1 and planted[twin] == planted[output] and twin != output:
            constraints.append(Same((twin, output), WHY))
        outputs.append(output)
    return Problem(domains, tuple(constraints))
