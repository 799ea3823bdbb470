"""One process: a generated graph, solved without torch: ``python -m benchmarks.speed.solving FAMILY OPS`` prints JSON.

All but the adversarial family are graphs of a transformer with the shipped operator tables: facts and rules are of the
graph, which gets pins that cannot hold (``unsatisfiable``) or that mostly can (``pinned``, at 5 % of the linears).
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bench_graph import transformer
from benchmarks.speed.adversarial import adversarial
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength
from qnnsolve.solver import Limits, Solution, Unsatisfiable, solve

LIMIT = 60.0
"""Seconds that the user gives an adversarial solve."""
CONFLICTS = 10


def _unsatisfiable(ops: int) -> Iterator[str]:
    """Transposes whose input and output are pinned to two encodings, spread evenly."""
    blocks = max(1, ops // 13)
    for block in range(0, blocks, max(1, blocks // CONFLICTS)):
        yield from (f"t{block}@in[0]=u8", f"t{block}@out=u16")


def _pinned(ops: int) -> Iterator[str]:
    draw = random.Random(0)
    for block in range(max(1, ops // 13)):
        for linear in "qkv":
            if draw.random() < 0.05 * 13 / 3:  # of all ops
                yield f"{linear}{block}@out={draw.choice(('u8', 'u16'))}"


PINS: dict[str, Callable[[int], Iterator[str]]] = {
    "satisfiable": lambda ops: iter(()),
    "unsatisfiable": _unsatisfiable,
    "pinned": _pinned,
}
FAMILIES = (*PINS, "adversarial")


def measured(family: str, ops: int) -> dict[str, Any]:
    """CPU seconds per stage, and what came of it."""
    stages: dict[str, float] = {}
    last = time.process_time()

    def lap(name: str) -> None:
        nonlocal last
        stages[name], last = time.process_time() - last, time.process_time()

    pins = 0
    if family == "adversarial":
        problem, limits = adversarial(ops), Limits(seconds=LIMIT)
        lap("generate")
    else:
        operators = operator_facts("htp", "V68")
        nodes = tuple(transformer(ops))
        wishes = [parse_wish(pin, Strength.PIN, pin) for pin in PINS[family](ops)]
        pins, limits = len(wishes), Limits()
        lap("generate")
        facts = Facts.of(Graph.of(nodes), operators, Request.of(precision("16a8w")), wishes)
        lap("facts")
        problem = problem_of(facts)
        lap("rules")
    begun = time.perf_counter()
    outcome = solve(problem, limits)
    lap("solve")
    wall = time.perf_counter() - begun
    answer = type(outcome).__name__.lower()
    if isinstance(outcome, Solution):
        answer = f"{outcome.proof}" if outcome.optimal else f"gap {outcome.proof}"
    elif isinstance(outcome, Unsatisfiable):
        answer = f"{len(outcome.conflicts)} conflicts"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    counted = {"sites": len(problem.domains), "pins": pins, "wall": wall, "peak_mb": peak}
    return {"family": family, "ops": ops, "stages": stages, "answer": answer, **counted}


def main() -> None:
    """Measure the family and size that are named."""
    print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))


if __name__ == "__main__":
    main()
