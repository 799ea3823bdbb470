"""A kept run of a synthetic transformer graph: how large it is, and how long saving and loading take (CPU seconds).

    python -m benchmarks.bench_runs [OPS ...]        # default: 2000 10000

"load" is what ``load_run`` does: reading and checking the whole file. "objects" makes graph, operator facts and problem
of it, "result" the records that reports print. Garbage is looked for as seldom as on the command line, which halves the
time to load.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_graph import transformer
from qnnsolve.explain import describe
from qnnsolve.facts.graph import Graph
from qnnsolve.host.collecting import collect_seldom
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.runs import Solved, load_run, save_run
from qnnsolve.solver import solve


def _solved(ops: int) -> Solved:
    operators = operator_facts("htp", "V68")
    facts = Facts.of(Graph.of(tuple(transformer(ops))), operators, Request.of(precision("16a8w")))
    problem = problem_of(facts)
    outcome = solve(problem)
    return Solved(facts, problem, outcome, describe(facts, problem, outcome, soc="SM8350", timings=()))


def main() -> None:
    """Print one line per size, the best of three."""
    collect_seldom()
    print(f"{'ops':>7} {'bytes':>10} {'save s':>7} {'load s':>7} {'objects s':>9} {'result s':>8} {'solve s':>7}")
    for ops in map(int, sys.argv[1:] or ("2000", "10000")):
        made = _solved(ops)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.qnn"
            times = [_times(path, made) for _ in range(3)]
            size = path.stat().st_size
        save, load, objects, result, again = (min(column) for column in zip(*times, strict=True))
        calls = len(made.facts.built)
        print(f"{calls:>7} {size:>10,} {save:>7.3f} {load:>7.3f} {objects:>9.3f} {result:>8.3f} {again:>7.3f}")


def _times(path: Path, made: Solved) -> tuple[float, ...]:
    marks = [time.process_time()]
    save_run(path, made)
    marks.append(time.process_time())
    run = load_run(path)
    marks.append(time.process_time())
    assert len(run.facts.graph) == len(made.facts.graph)
    assert len(run.problem.constraints) == len(made.problem.constraints)
    marks.append(time.process_time())
    assert run.result.status is made.result.status
    marks.append(time.process_time())
    run.solve()
    marks.append(time.process_time())
    return tuple(later - earlier for earlier, later in itertools.pairwise(marks))


if __name__ == "__main__":
    main()
