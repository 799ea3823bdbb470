"""Every why and why-not of every port of a kept run: how long the answers are, and whether any has a fault.

``python -m benchmarks.readable RUN [RUN ...]``, for runs that ``qnnsolve solve --save`` kept: ``examples.models:vit``
and ``examples.more_models:swin``, for SM8350 at 16a8w. A fault is an internal name, a clause twice, or a step without
a source.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter

from qnnsolve.questions import Opened
from qnnsolve.runs import load_run
from tests.questions.readable import every_question


def main() -> None:
    """Print one line per run, then each fault."""
    for path in sys.argv[1:]:
        lengths: list[int] = []
        verdicts: Counter[str] = Counter()
        faults: list[str] = []
        for asked in every_question(Opened.of(load_run(path))):
            lengths.append(len(asked.lines))
            verdicts[asked.answer.verdict.value] += 1
            faults += [f"{asked.place} {asked.value}: {fault}" for fault in asked.faults()]
        told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
        middle = statistics.median(lengths)
        print(f"{path}: {len(lengths)} answers ({told}), median {middle} lines, at most {max(lengths)}")
        print(f"  {len(faults)} faults", *faults[:20], sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
