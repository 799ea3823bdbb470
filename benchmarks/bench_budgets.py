"""Time and gap of the best config under one and two budgets, by size: ``python -m benchmarks.bench_budgets [OPS ...]``.

The graphs are those of `benchmarks.synthetic`, without floating point. Noise is log-normal over the tensors, 16 bits
48 dB below 8; bytes of weights, bit operations and converts are counted. A budget lies at a share of the way from the
least that can be reached to what the config with the least noise has.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy
import scipy

from benchmarks.synthetic import ACTIVATION, BLOCK, S4, U8, U16, W4, W8, synthetic
from qnnsolve.constraints import Convertible, Forbid, Problem, Table
from qnnsolve.encodings import FLOAT, FP16, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import Best, BudgetProgram, Limits, Measure, Term, check

LEAST = {"noise": 1.0}
ONLY = Reason.in_words("QB901", "no floating point")
STEP = 10**-4.8
"""Noise power at 16 bits, at 8 bits 1."""
WEIGHT_NOISE = {W8: 1.0, W4: 250.0, S4: 900.0, BLOCK: 60.0, U8: 3.5}


def quantized(problem: Problem) -> Problem:
    """The problem without its floating-point configs."""
    banned = frozenset((FLOAT, FP16))
    sites = sorted(site for site, domain in problem.domains.items() if not site.user and U16 in domain)
    return attrs.evolve(problem, constraints=(*problem.constraints, *(Forbid(s, banned, ONLY) for s in sites)))


def measures_of(problem: Problem, seed: int = 0) -> tuple[Measure, ...]:
    """Noise, bytes of weights, bit operations and converts; the same for the same arguments."""
    draw = random.Random(seed)
    noise: list[Term] = []
    weights: list[Term] = []
    operations: list[Term] = []
    converts: list[Term] = []
    for site in sorted(problem.domains):
        domain = problem.domains[site]
        power = 1e-6 * math.exp(draw.gauss(0.0, 2.0))
        if site.user:
            continue
        if domain in (ACTIVATION, ACTIVATION[:2] + ACTIVATION[-1:]):
            noise.append(Term((site,), {(e,): power * loss(e, draw) for e in domain if e.quantized}))
        elif W8 in domain:
            size = 64 * draw.randint(2, 64) * draw.randint(2, 64) * draw.choice((1, 1, 9))
            noise.append(Term((site,), {(e,): power * WEIGHT_NOISE.get(e, 4.0) for e in domain if e.quantized}))
            weights.append(Term((site,), {(e,): size * e.bits / 8 for e in domain}))
    for constraint in problem.constraints:
        if isinstance(constraint, Table) and len(constraint.sites) == 3 and "add" not in constraint.sites[2].node:
            ends = constraint.sites[:2]
            count = 64.0 * draw.randint(2, 64) * draw.randint(2, 64) * draw.choice((49, 196, 784))
            pairs = {row[:2] for row in constraint.relation.rows}
            operations.append(Term(ends, {(a, b): count * a.bits * b.bits for a, b in sorted(pairs)}))
        elif isinstance(constraint, Convertible):
            power = 1e-6 * math.exp(draw.gauss(0.0, 2.0))
            bridged = sorted(constraint.pairs)
            noise.append(Term(constraint.sites, {pair: power * loss(pair[1], draw) for pair in bridged}))
            converts.append(Term(constraint.sites, dict.fromkeys(bridged, 1.0)))
    named = {"noise": noise, "weights": weights, "operations": operations, "converts": converts}
    return tuple(Measure(name, tuple(terms)) for name, terms in named.items())


def loss(encoding: Encoding, draw: random.Random) -> float:
    """Noise power relative to an affine one of 8 bits."""
    symmetric = draw.uniform(1.0, 3.0) if encoding.qscheme.is_symmetric else 1.0
    return symmetric * (STEP if encoding.bits == 16 else 1.0)


QUESTIONS: tuple[dict[str, float], ...] = (
    {"weights": 0.3},
    {"operations": 0.5},
    {"operations": 0.1},
    {"weights": 0.3, "converts": 0.3},
    {"operations": 0.3, "converts": 0.1},
)
"""Budgets as shares of the way from the least to what is free."""

HEAD = """# The best config under budgets

Written by `python -m benchmarks.bench_budgets --page docs/budgets.md`: synthetic graphs (`benchmarks/synthetic.py`,
without floating point), log-normal noise, bytes of weights, bit operations and converts. Asked for is the config with
the least noise within one or two budgets, each a share of the way from the least that can be reached to what the config
with the least noise has. Seconds are those of one core. *gap*: how far the best may lie below what was found; 0 where
none does (up to 1e-6, what floats and HiGHS allow). The last two columns: the same with `gap=0.005`.
"""


def row(cells: Sequence[object]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def measured(ops: int, limits: Limits) -> Iterator[str]:
    """The rows of one size."""
    problem = quantized(synthetic(ops))
    start = time.process_time()
    program = BudgetProgram.of(problem, measures_of(problem))
    assert isinstance(program, BudgetProgram)
    built = time.process_time() - start
    lowest = {name: program.lowest(name, limits) for name in ("weights", "operations", "converts")}
    free = program.least(LEAST, limits=limits)
    assert isinstance(free, Best)
    yield row((f"{ops:,}", f"{len(problem.domains):,}", "compiled", f"{built:.1f}", "", "", ""))
    for shares in QUESTIONS:
        room = {name: free.amounts[name] - lowest[name] for name in shares}
        budgets = {name: lowest[name] + share * room[name] for name, share in shares.items()}
        start = time.process_time()
        best = program.least(LEAST, budgets, limits=limits)
        spent = time.process_time() - start
        rough = program.least(LEAST, budgets, limits=limits, gap=0.005)
        quick = time.process_time() - start - spent
        assert isinstance(best, Best) and isinstance(rough, Best)
        assert check(problem, best.encodings).legal and check(problem, rough.encodings).legal
        asked = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        times = f"{spent:.1f}", f"{best.gap:.1e}" if best.gap else "0", f"{quick:.1f}", f"{rough.gap:.1e}"
        yield row(("", "", asked, *times))


def main() -> None:
    """Print the table, or write it as a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", type=int, default=[300, 1_000, 3_000, 10_000])
    parser.add_argument("--seconds", type=float, default=120.0, help="limit of each question")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    lines = [
        row(("ops", "sites", "budgets", "s", "gap", "s to 0.5 %", "gap")),
        row(("---",) * 7),
    ]
    print("\n".join(lines))
    for ops in arguments.ops:
        for line in measured(ops, Limits(seconds=arguments.seconds)):
            lines.append(line)
            print(line, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    versions = f"Python {platform.python_version()}, NumPy {numpy.__version__}, SciPy {scipy.__version__}"
    lines.append(f"\n{versions}, {os.cpu_count()} cores, at most {peak:,} MB.")
    print(lines[-1])
    if arguments.page:
        arguments.page.write_text("\n".join([HEAD, *lines, ""]))


if __name__ == "__main__":
    main()
