"""Budgets for one network, and what each tool offers within each: :func:`offers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import stdev

import attrs

from benchmarks.search.configs import NARROW, WIDE, Bench, Config, Point, Proposal

BUDGETS = 20


@attrs.frozen
class Offer:
    """What a tool has within a budget of bit operations, and what the search has within the same costs: no more bit
    operations and no more converts than that very config."""

    tool: str
    budget: int
    point: Point
    ours: Point | None


Within = Callable[[int, int], Sequence[Config]]
"""Configs that the search offers within bit operations and converts; the best measured one counts."""


def budgets(bench: Bench) -> tuple[int, ...]:
    """Bit operations, evenly between everything narrow and everything wide."""
    low, high = (bench.cost(Config(name, name))[0] for name in (NARROW, WIDE))
    return tuple(low + (high - low) * step // (BUDGETS - 1) for step in range(BUDGETS))


def within(bench: Bench, proposal: Proposal, budget: int) -> Config | None:
    """What the tool itself holds best of what it has within ``budget``; the cheaper one of two alike."""
    affordable = [each for each in proposal.configs if bench.cost(each)[0] <= budget]
    return max(affordable, key=lambda each: (each.merit, -bench.cost(each)[0]), default=None)


def offers(bench: Bench, proposal: Proposal, search: Within | None) -> Iterator[Offer]:
    """What the tool has within each budget. Where it has nothing, there is no offer."""
    for budget in budgets(bench):
        config = within(bench, proposal, budget)
        if config is not None:
            point, ours = bench.measured(config), None
            if search is not None:
                found = map(bench.measured, search(*bench.cost(config)))
                ours = max(found, key=lambda each: each.sqnr, default=None)
            yield Offer(proposal.tool, budget, point, ours)


def repeatability(bench: Bench) -> float:
    """The standard deviation of the SQNR of one config in dB, over calibrations on random halves of the samples: the
    larger one of everything narrow and everything wide."""
    return max(stdev(bench.repeated(Config(name, name))) for name in (NARROW, WIDE))
