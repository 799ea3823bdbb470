"""Time and memory of a proven optimum, and of the conflicts, on synthetic problems: ``python -m benchmarks.bench_solver``.

Figures of one run compare with each other; across machines only the ratios mean something.
"""

from __future__ import annotations

import argparse
import resource
import time

import attrs

from benchmarks.synthetic import ACTIVATION, U8, synthetic
from qnnsolve.constraints import Allow, Forbid, Problem, Reason, Site
from qnnsolve.solver import Solution, Unsatisfiable, check, solve


def broken(problem: Problem, count: int) -> Problem:
    """The problem with ``count`` ops, spread evenly, that lose every row."""
    why = Reason("QB900", "nothing is left here")
    outputs = [site for site in sorted(problem.domains) if site.node.startswith("add") and not site.user]
    chosen = outputs[:: max(1, len(outputs) // count)][:count]
    extra = [Allow(site, frozenset((U8,)), why) for site in chosen]
    edges = [site for site in problem.domains if Site(site.user) in set(chosen)]
    extra_forbids = [Forbid(site, frozenset(ACTIVATION[:1]), why) for site in sorted(edges)]
    return attrs.evolve(problem, constraints=(*problem.constraints, *extra, *extra_forbids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", type=int, default=[1_000, 10_000, 50_000])
    arguments = parser.parse_args()
    print(f"{'ops':>7} {'sites':>7} {'build s':>8} {'solve s':>8} {'solve/build':>11} {'us/op':>6} {'proof':>8} {'peak MB':>8}")
    for ops in arguments.ops:
        start = time.perf_counter()
        problem = synthetic(ops)
        built = time.perf_counter()
        answer = solve(problem)
        end = time.perf_counter()
        assert isinstance(answer, Solution)
        assert check(problem, answer.encodings).cost == answer.cost
        build, spent = built - start, end - built
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{ops:7} {len(problem.domains):7} {build:8.3f} {spent:8.3f} {spent / build:11.2f} "
            f"{spent / ops * 1e6:6.0f} {answer.proof:>8} {peak:8}"
        )
        print(f"        cost {answer.cost}, converts {len(answer.converts)}, {answer.statistics}")
        for count in (1, 10):
            wrong = broken(problem, count)
            start = time.perf_counter()
            refuted = solve(wrong)
            spent = time.perf_counter() - start
            assert isinstance(refuted, Unsatisfiable)
            sizes = sorted(len(conflict.constraints) for conflict in refuted.conflicts)
            print(f"        {count} ops broken: {len(sizes)} conflicts of {sizes[0]}..{sizes[-1]} in {spent:.3f} s")


if __name__ == "__main__":
    main()
