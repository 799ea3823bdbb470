"""Questions of a kept run of 2,000 ops: why and why-not as a command, start-up included, and ``ask`` with four goals.

``python -m benchmarks.questions [BLOCKS]``: blocks of eight ops. Seconds are wall time, with CPU seconds in brackets,
the best of five; each command runs in a process of its own, which is checked never to import torch.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from qnnsolve.asking import RunRelations
from qnnsolve.logic import answered, read_question
from qnnsolve.runs import load_run, save_run
from tests.runs.kept import blocks, facts, solved

FOUR = 'node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8), feeds(N, _R)'
QUESTIONS = (
    ("why", "scores_100.in[1]"),
    ("why-not", "soft_100.out", "u8"),
    ("why-not", "scores_100.in[1]", "s16"),
)


def _best(doing: Callable[[], object]) -> tuple[float, float]:
    times = []
    for _ in range(5):
        wall, used = time.perf_counter(), _used()
        doing()
        times.append((time.perf_counter() - wall, _used() - used))
    return min(each for each, _ in times), min(each for _, each in times)


def _used() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, kinds))


def _command(path: Path, question: tuple[str, ...]) -> None:
    arguments = [question[0], str(path), *question[1:]]
    code = (
        f"import sys; from qnnsolve.cli import main; done = main({arguments!r}); "
        "assert not {'torch', 'torchao'} & set(sys.modules); sys.exit(done)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def main() -> None:
    """Print a line per question."""
    number = int(sys.argv[1]) if sys.argv[1:] else 250
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.qnn"
        save_run(path, solved(facts(blocks(number))))
        print(f"{8 * number} ops")
        for question in QUESTIONS:
            wall, used = _best(lambda asked=question: _command(path, asked))  # type: ignore[misc]
            print(f"{' '.join(question)}: {wall:.2f} s ({used:.2f})", flush=True)
        run = load_run(path)
        relations = RunRelations(run)
        database = relations.database()
        asked = read_question(FOUR)
        cold = _best(lambda: answered(asked, (), RunRelations(run).database(), relations.order, proofs=False))
        warm = _best(lambda: answered(asked, (), database, relations.order, proofs=False))
        total = answered(asked, (), database, relations.order, proofs=False).total
        print(f"ask, four goals, {total} answers: {warm[0]:.3f} s ({warm[1]:.3f})")
        print(f"the same, relations read anew: {cold[0]:.3f} s ({cold[1]:.3f})")


if __name__ == "__main__":
    main()
