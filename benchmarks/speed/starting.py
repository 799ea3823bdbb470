"""What a command costs from its start to its end, in CPU seconds: one process each."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench_graph import transformer
from qnnsolve.explain import describe
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.runs import Solved, save_run
from qnnsolve.solver import solve

__all__ = ["COMMANDS", "kept_run", "started"]

RUN = "run.qnnsolve"
COMMANDS = (
    ("--help",),
    ("rules",),
    ("facts", "show", "Softmax"),
    ("why", RUN, "NODE"),
)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def started(arguments: tuple[str, ...], folder: Path, node: str, times: int = 5) -> dict[str, Any]:
    """The least of some runs of ``qnnsolve`` with these arguments, about a kept run and its ``node``."""
    given = [str(folder / RUN) if each == RUN else node if each == "NODE" else each for each in arguments]
    # As installed: with byte code on disk, of which the first run writes what is missing.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept |= {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    found = []
    for _ in range(times):
        before = _cpu()
        done = subprocess.run(
            [sys.executable, "-m", "qnnsolve", *given],
            capture_output=True,
            text=True,
            check=False,
            env=kept,
        )
        if done.returncode:
            raise RuntimeError(f"qnnsolve {' '.join(given)}: {done.stderr}")
        found.append(_cpu() - before)
    return {"command": " ".join(arguments), "cpu": min(found)}


def kept_run(folder: Path, ops: int = 500) -> str:
    """Keep the solve of a generated graph in ``folder``; returns the name of one of its nodes."""
    facts = Facts.of(Graph.of(tuple(transformer(ops))), operator_facts("htp", "V68"), Request.of(precision("16a8w")))
    problem = problem_of(facts)
    outcome = solve(problem)
    result = describe(facts, problem, outcome, soc="SM8350", timings=())
    save_run(folder / RUN, Solved(facts, problem, outcome, result))
    return "a3"
