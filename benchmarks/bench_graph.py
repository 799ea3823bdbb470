"""Facts, rules and solve on a synthetic transformer graph with the shipped operator tables; ratios in one run.

    python -m benchmarks.bench_graph [OPS ...]        # default: 1000 10000 50000

"facts" is everything before the solver: the graph's nodes, the fate of each, domains and constraints.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

from qnnsolve.facts.graph import Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.solver import Solution, solve

WIDTH, TOKENS = 64, 32


def transformer(ops: int) -> Iterator[Node]:
    """Nodes of about ``ops`` calls: blocks of norm, three linears, two matrix products, softmax, GELU, residuals."""
    rows = TensorFact((1, TOKENS, WIDTH), "float32")

    def call(name: str, target: str, *args: object, tensor: TensorFact = rows) -> Node:
        return Node(name, NodeKind.CALL, f"aten.{target}", args, (), (tensor,))  # type: ignore[arg-type]

    def param(name: str, *shape: int) -> Node:
        return Node(name, NodeKind.PARAM, name, (), (), (TensorFact(shape, "float32"),))

    yield Node("x0", NodeKind.INPUT, "x0", (), (), (rows,))
    yield call("h0", "relu.default", Ref("x0"))
    last = "h0"
    for i in range(max(1, ops // 13)):
        yield from (param(f"g{i}", WIDTH), param(f"c{i}", WIDTH))
        yield call(f"n{i}", "layer_norm.default", Ref(last), (WIDTH,), Ref(f"g{i}"), Ref(f"c{i}"))
        for p in "qkv":
            yield from (param(f"{p}w{i}", WIDTH, WIDTH), param(f"{p}b{i}", WIDTH))
            yield call(f"{p}{i}", "linear.default", Ref(f"n{i}"), Ref(f"{p}w{i}"), Ref(f"{p}b{i}"))
        yield call(f"t{i}", "transpose.int", Ref(f"k{i}"), 1, 2, tensor=TensorFact((1, WIDTH, TOKENS), "float32"))
        square = TensorFact((1, TOKENS, TOKENS), "float32")
        yield call(f"s{i}", "bmm.default", Ref(f"q{i}"), Ref(f"t{i}"), tensor=square)
        yield call(f"p{i}", "softmax.int", Ref(f"s{i}"), -1, tensor=square)
        yield call(f"a{i}", "bmm.default", Ref(f"p{i}"), Ref(f"v{i}"))
        yield call(f"r{i}", "view.default", Ref(f"a{i}"), (1, TOKENS, WIDTH))
        yield call(f"d{i}", "add.Tensor", Ref(f"r{i}"), Ref(last))
        yield call(f"e{i}", "gelu.default", Ref(f"d{i}"))
        yield call(f"m{i}", "mul.Tensor", Ref(f"e{i}"), Ref(f"d{i}"))
        yield call(f"h{i + 1}", "add.Tensor", Ref(f"m{i}"), Ref(f"d{i}"))
        last = f"h{i + 1}"


def main() -> None:
    """Print one line per size."""
    operators = operator_facts("htp", "V68")
    print(f"{'ops':>7} {'sites':>8} {'facts s':>8} {'solve s':>8} {'solve/facts':>11} {'proof':>8} {'peak MB':>8}")
    for ops in map(int, sys.argv[1:] or ("1000", "10000", "50000")):
        start = time.perf_counter()
        facts = Facts.of(Graph.of(tuple(transformer(ops))), operators, Request.of(precision("16a8w")))
        problem = problem_of(facts)
        built = time.perf_counter()
        outcome = solve(problem)
        solved = time.perf_counter()
        assert isinstance(outcome, Solution)
        ratio = (solved - built) / (built - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{len(facts.built):>7} {len(problem.domains):>8} {built - start:>8.2f} {solved - built:>8.2f} "
            f"{ratio:>11.2f} {outcome.proof:>8} {peak:>8}"
        )


if __name__ == "__main__":
    main()
