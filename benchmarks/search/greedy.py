"""The plain greedy search, over given sensitivities: :func:`greedy`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from benchmarks.search import costs
from benchmarks.search.configs import NARROW, WIDE, Bench, Config
from benchmarks.search.tensors import everywhere, wishes


def greedy(bench: Bench, saved: Mapping[str, float]) -> Iterator[Config]:
    """Everything narrow, then one tensor after the other made wide: the one that saves most noise per bit operation.

    ``saved``: by node, the noise power at the output that is gone where what it yields has 16 bits and not 8.
    Converts are free, as they are to others.
    """
    bits = dict.fromkeys(saved, 8)
    yield Config("greedy 0", NARROW)
    for step in range(1, len(saved) + 1):
        cost = costs.estimated(bench.products, everywhere(bench.graph, bits))

        def merit(name: str, cost: int = cost) -> tuple[float, float, str]:
            more = costs.estimated(bench.products, everywhere(bench.graph, {**bits, name: 16})) - cost
            return (saved[name] / more if more else math.inf, saved[name], name)

        best = max((name for name in bits if bits[name] == 8), key=merit)
        bits[best] = 16
        wanted = wishes(bench.graph, everywhere(bench.graph, bits))
        yield Config(f"greedy {step}: {best}", WIDE, wanted, merit=step)
