"""Time and memory of a proven optimum, and of the conflicts: ``python -m benchmarks.bench_solver``.

Figures of one run compare with each other; across machines only the ratios mean something.
"""

from __future__ import annotations

import argparse
import resource
import time

import attrs

from benchmarks.synthetic import ACTIVATION, U8, synthetic
from qnnsolve.constraints import Allow, Forbid, Problem, Site
from qnnsolve.reasons import Reason
from qnnsolve.solver import Solution, Unsatisfiable, check, solve


def broken(problem: Problem, count: int) -> Problem:
    """The problem with ``count`` ops, spread evenly, that lose every row."""
    why = Reason.in_words("QB900", "nothing is left here")
    outputs = [site for site in sorted(problem.domains) if site.node.startswith("add") and not site.user]
    chosen = outputs[:: max(1, len(outputs) // count)][:count]
    extra = [Allow(site, frozenset((U8,)), why) for site in chosen]
    edges = [site for site in problem.domains if Site(site.user) in set(chosen)]
    denied = [Forbid(site, frozenset(ACTIVATION[:1]), why) for site in sorted(edges)]
    return attrs.evolve(problem, constraints=(*problem.constraints, *extra, *denied))


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", type=int, default=[1_000, 10_000, 50_000])
    arguments = parser.parse_args()
    heads = ("ops", "sites", "build s", "solve s", "cpu s", "ratio", "us/op", "proof", "peak MB")
    print("".join(head.rjust(9) for head in heads))
    for ops in arguments.ops:
        start = time.perf_counter()
        problem = synthetic(ops)
        built, before = time.perf_counter(), time.process_time()
        answer = solve(problem)
        end, cpu = time.perf_counter(), time.process_time() - before
        assert isinstance(answer, Solution)
        assert check(problem, answer.encodings).cost == answer.cost
        build, spent = built - start, end - built
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        cells = [f"{ops}", f"{len(problem.domains)}", f"{build:.3f}", f"{spent:.3f}", f"{cpu:.3f}"]
        cells += [f"{spent / build:.1f}", f"{spent / ops * 1e6:.0f}", answer.proof, f"{peak}"]
        print("".join(cell.rjust(9) for cell in cells))
        print(f"        cost {answer.cost}, converts {len(answer.converts)}, {answer.statistics}")
        for count in (1, 10):
            wrong = broken(problem, count)
            before = time.process_time()
            refuted = solve(wrong)
            cpu = time.process_time() - before
            assert isinstance(refuted, Unsatisfiable)
            sizes = sorted(len(conflict.constraints) for conflict in refuted.conflicts)
            print(f"        {count} ops broken: {len(sizes)} conflicts of {sizes[0]}..{sizes[-1]} in {cpu:.2f} s cpu")


if __name__ == "__main__":
    main()
