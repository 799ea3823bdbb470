"""Budgets for one network, and what each tool offers within each: :func:`offers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import stdev

import attrs

from benchmarks.search.configs import NARROW, WIDE, Bench, Config, Point, Proposal

BUDGETS = 20


@attrs.frozen
class Offer:
    """What a tool has within a budget of bit operations, and what the search has within that budget and with no more
    converts."""

    tool: str
    budget: int
    point: Point
    ours: Point | None


Within = Callable[[int, int], Point | None]
"""What the search takes within bit operations and converts."""


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
            point = bench.measured(config)
            yield Offer(proposal.tool, budget, point, search(budget, point.converts) if search else None)


def repeatability(bench: Bench) -> float:
    """The standard deviation of the SQNR of one config in dB, over calibrations on random halves of the samples: the
    larger one of everything narrow and everything wide."""
    return max(stdev(bench.repeated(Config(name, name))) for name in (NARROW, WIDE))
