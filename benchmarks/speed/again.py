"""One process: a pin at a time on a solved graph, from scratch and by a kept solve; prints a line of JSON."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from typing import Any

from benchmarks.bench_graph import transformer
from qnnsolve.constraints import Allow, Problem
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.reasons import Reason
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.solver import Limits, Solution, solve
from qnnsolve.solver.session import Session

PINS = 20


def measured(ops: int) -> dict[str, Any]:
    """CPU seconds of a kept solve, and the median of a pin's by it and from scratch."""
    facts = Facts.of(Graph.of(tuple(transformer(ops))), operator_facts("htp", "V68"), Request.of(precision("16a8w")))
    problem = problem_of(facts)
    begun = time.process_time()
    session = Session.of(problem, Limits())
    kept = time.process_time() - begun
    assert session is not None
    draw, why = random.Random(0), Reason.in_words("QB920", "a benchmark asks for it")
    again, scratch = [], []
    for site in draw.sample(sorted(problem.domains), PINS):
        allowed = frozenset({draw.choice(problem.domains[site])})
        begun = time.process_time()
        found = session.restricted({site: allowed})
        again.append(time.process_time() - begun)
        begun = time.process_time()
        outcome = solve(Problem(problem.domains, (*problem.constraints, Allow(site, allowed, why))))
        scratch.append(time.process_time() - begun)
        cost = outcome.cost if isinstance(outcome, Solution) else None
        if cost != (None if found is None else found.cost):
            raise RuntimeError(f"{site}: {cost} from scratch, {found} by the kept solve")
    return {"ops": ops, "keep": kept, "again": statistics.median(again), "scratch": statistics.median(scratch)}


def main() -> None:
    """Measure a graph of so many ops."""
    print(json.dumps(measured(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
