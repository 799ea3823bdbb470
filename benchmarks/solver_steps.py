"""How large each step of a solve is on a real model: ``python -m benchmarks.solver_steps [MODEL ...]``.

Per model (``vit`` unless told otherwise, of ``examples.models``), for the SM8350 at 16a8w: a Markdown table as in
``docs/solver.md``. Milliseconds are the best of five on this machine.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar
from unittest import mock

import examples.models
from qnnsolve import pipeline, quantizer
from qnnsolve.constraints import Problem
from qnnsolve.solver import Limits, Solution
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.engine import solve
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.factors import Arithmetic, Factors
from qnnsolve.solver.optimum.find import Goal, find_optimum
from qnnsolve.solver.optimum.ordering import BIT, elimination_order
from qnnsolve.solver.optimum.parts import Parts
from qnnsolve.solver.propagation import propagate

T = TypeVar("T")


def problem_of(name: str) -> Problem:
    """The problem that a model of ``examples.models`` comes to."""
    seen: list[Problem] = []

    def keep(problem: Problem, limits: Limits) -> object:
        seen.append(problem)
        return solve(problem, limits)

    model, inputs = getattr(examples.models, name)()[:2]
    with mock.patch.object(quantizer, "solve", keep):
        pipeline.solve(model, inputs, soc="SM8350", precision="16a8w", strict=False)
    return seen[-1]


def timed(work: Callable[[], T]) -> tuple[T, str]:
    """What ``work`` returns, and the milliseconds of the quickest of five runs."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        made = work()
        best = min(best, time.perf_counter() - start)
    return made, f"{best * 1000:.1f}"


def steps(problem: Problem) -> Iterator[tuple[str, str, str]]:
    """(step, size, milliseconds)."""
    kinds = Counter(type(constraint).__name__ for constraint in problem.constraints)
    model, spent = timed(lambda: Model(problem))
    listed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    size = (
        f"{len(model.sites)} sites, {len(model.encodings)} encodings, {len(model.constraints)} constraints ({listed})"
    )
    yield "canonical form", size, spent
    network, spent = timed(lambda: Network(model, range(len(model.constraints)), range(len(model.sites))))
    size = f"{len(network.initial)} variables, {len(network.scopes)} links of {len(set(network.joints))} kinds"
    yield "union-find over `Same`", size, spent
    left, spent = timed(lambda: propagate(network, Clock(None)))
    before, after = (sum(mask.bit_count() for mask in masks) for masks in (network.initial, left.masks))
    decided = sum(mask.bit_count() == 1 for mask in left.masks)
    size = f"{before} values, {before - after} removed in {len(left.trail)} steps; {decided} variables decided"
    yield "propagation", size, spent
    factors = Factors(Arithmetic.fast())
    parts, spent = timed(lambda: list(Parts(network, left.masks, factors, free=False)))
    widest = max(len(part.variables) for part in parts)
    size = f"{network.components()} in all, {len(parts)} with a choice that matters, of at most {widest} variables"
    yield "components", size, spent
    entries = 0
    sizes = {v: mask.bit_count() for v, mask in enumerate(left.masks)}
    for part in parts:
        scopes = (scope for _, scope in part.instances)
        order = elimination_order(scopes, {v: sizes[v] for v in part.variables})
        entries = max(entries, *(round(2 ** (weight / BIT)) for _, weight in order))
    _, spent = timed(lambda: find_optimum(network, left.masks, Limits(), Clock(None), Goal.CHEAPEST))
    answer, whole = timed(lambda: solve(problem))
    assert isinstance(answer, Solution)
    size = f"{answer.statistics.nodes} variables eliminated, tables of at most {entries} entries"
    yield "elimination, with the step before", size, spent
    wide = "milp" in answer.statistics.methods
    yield "python-constraint, HiGHS", "called" if wide else "not called: no part is too wide", "-"
    yield "in all", f"cost {answer.cost:,}, {answer.proof}, {len(answer.converts)} converts", whole


def main() -> None:
    """Print one table per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["vit"])
    for name in parser.parse_args().models:
        print(f"{name}, SM8350, 16a8w\n\n| step | size | ms |\n|---|---|---|")
        for row in steps(problem_of(name)):
            print("| " + " | ".join(row) + " |")
        print()


if __name__ == "__main__":
    main()
