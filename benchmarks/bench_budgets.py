"""Time and gap of the best config under one and two budgets, by size: ``python -m benchmarks.bench_budgets``.

The graphs are those of `benchmarks.synthetic`, without floating point. Noise is log-normal over the tensors, 16 bits
48 dB below 8; bytes of weights, bit operations and converts are counted. A budget lies at a share of the way from the
least that can be reached to what the config with the least noise has.
"""

from __future__ import annotations

import argparse
import math
import random
import time

import attrs

from benchmarks.synthetic import ACTIVATION, BLOCK, S4, U8, U16, W4, W8, synthetic
from qnnsolve.constraints import Convertible, Forbid, Problem, Table
from qnnsolve.encodings import FLOAT, FP16, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.solver import Best, Limits, Measure, Program, Term, check

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


def main() -> None:
    """Print one line per size and question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", type=int, default=[300, 1_000, 3_000, 10_000])
    parser.add_argument("--seconds", type=float, default=120.0)
    arguments = parser.parse_args()
    limits = Limits(seconds=arguments.seconds)
    for ops in arguments.ops:
        problem = quantized(synthetic(ops))
        start = time.perf_counter()
        program = Program.of(problem, measures_of(problem))
        assert isinstance(program, Program)
        built = time.perf_counter() - start
        start = time.perf_counter()
        lowest = {name: program.lowest(name, limits) for name in ("weights", "operations", "converts")}
        free = program.least({"noise": 1.0}, limits=limits)
        assert isinstance(free, Best)
        print(f"{ops} ops, {len(problem.domains)} sites: compiled in {built:.2f} s, ", end="")
        print(f"the least of three measures and of noise in {time.perf_counter() - start:.2f} s", flush=True)
        for shares in QUESTIONS:
            budgets = {
                name: lowest[name] + share * (free.amounts[name] - lowest[name]) for name, share in shares.items()
            }
            start = time.perf_counter()
            best = program.least({"noise": 1.0}, budgets, limits=limits)
            spent = time.perf_counter() - start
            assert isinstance(best, Best), best
            assert check(problem, best.encodings).legal
            asked = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
            cells = f"{spent:8.2f} s  gap {best.gap:8.1e}  noise {best.objective / free.objective:6.2f} times the least"
            print(f"    {asked:32} {cells}  converts {best.amounts['converts']:.0f}  {best.how}", flush=True)


if __name__ == "__main__":
    main()
