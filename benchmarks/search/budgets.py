"""Budgets for one network, and what each tool offers within each: :func:`offers`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import stdev

import attrs
import torch

from benchmarks.search.configs import NARROW, WIDE, Bench, Config, Point, Proposal

BUDGETS = 20
HALVES = 64


@attrs.frozen
class Against:
    """What the search takes within a tool's converts and some bit operations, beside what the tool has."""

    point: Point
    ahead: float
    """By how much its SQNR is above the tool's, in dB."""
    repeats: float
    """The standard deviation of that over random halves of the evaluation samples."""


@attrs.frozen
class Offer:
    """What a tool has within a budget of bit operations; and what the search takes within that budget, and within as
    many bit operations as the tool's own point has."""

    budget: int
    point: Point
    budgeted: Against
    equal: Against


Within = Callable[[Sequence[tuple[int, int]]], "Sequence[Point | None]"]
"""What the search takes within bit operations and converts, of several at once."""


def budgets(bench: Bench) -> tuple[int, ...]:
    """Bit operations, evenly between everything narrow and everything wide."""
    low, high = (bench.cost(Config(name, name))[0] for name in (NARROW, WIDE))
    return tuple(low + (high - low) * step // (BUDGETS - 1) for step in range(BUDGETS))


def within(bench: Bench, proposal: Proposal, budget: int) -> Config | None:
    """What the tool itself holds best of what it has within ``budget``; the cheaper one of two alike."""
    affordable = [each for each in proposal.configs if bench.cost(each)[0] <= budget]
    return max(affordable, key=lambda each: (each.merit, -bench.cost(each)[0]), default=None)


def offers(bench: Bench, proposal: Proposal, search: Within) -> list[Offer]:
    """What the tool has within each budget. Where it has nothing, there is no offer."""
    affordable = [(budget, within(bench, proposal, budget)) for budget in budgets(bench)]
    theirs = [(budget, bench.measured(config)) for budget, config in affordable if config is not None]
    budgeted = search([(budget, point.converts) for budget, point in theirs])
    equal = search([(point.bit_operations, point.converts) for _, point in theirs])
    return [
        Offer(budget, point, against(one, point), against(other, point))
        for (budget, point), one, other in zip(theirs, budgeted, equal, strict=True)
    ]


def against(ours: Point | None, theirs: Point) -> Against:
    """The one beside the other."""
    assert ours is not None, "what a tool has is legal, so that something is within its costs"
    ours_noise, noise = (torch.tensor(each.noise, dtype=torch.float64) for each in (ours, theirs))
    ahead = []
    for seed in range(HALVES):
        half = torch.randperm(len(noise), generator=torch.Generator().manual_seed(seed))[: len(noise) // 2]
        ahead.append(float(10 * torch.log10(noise[half].sum() / ours_noise[half].sum().clamp_min(1e-30))))
    return Against(ours, ours.sqnr - theirs.sqnr, stdev(ahead))


def repeatability(bench: Bench) -> float:
    """The standard deviation of the SQNR of one config in dB, over calibrations on random halves of the samples: the
    larger one of everything narrow and everything wide."""
    return max(stdev(bench.repeated(Config(name, name))) for name in (NARROW, WIDE))
