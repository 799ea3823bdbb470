"""Two hundred seeded graphs of up to 2,000 ops whose pins cannot hold: cores, missed conflicts and ways out.

``python -m benchmarks.unsatisfiable [GRAPHS] [FIRST SEED]``. Each core is unsatisfiable alone, and satisfiable without
any one of its members, by python-sat; no planted conflict may be missed; each way out holds by the independent checker.
"""

from __future__ import annotations

import sys
import time

from tests.questions.planted import planted

BLOCKS = 250
"""Of eight ops each."""


def main() -> None:
    """Print a line per 20 graphs, and each fault."""
    given = [int(each) for each in sys.argv[1:]]
    number = given[0] if given else 200
    first = given[1] if given[1:] else 0
    start = time.process_time()
    conflicts = ways_out = ops = faults = incomplete = 0
    for seed in range(first, first + number):
        graph = planted(seed, BLOCKS)
        for fault in graph.faults():
            faults += 1
            print(f"seed {seed}: {fault}")
        found = graph.clashing.examined
        conflicts += len(graph.conflicts)
        ways_out += len(found.ways_out)
        incomplete += not found.complete
        ops = max(ops, 8 * graph.number)
        if (seed - first) % 20 == 19 or seed == first + number - 1:
            print(
                f"{seed - first + 1} graphs of up to {ops} ops, {conflicts} planted conflicts, {ways_out} ways out, "
                f"{incomplete} incomplete, {faults} faults, {time.process_time() - start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
