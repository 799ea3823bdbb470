"""Several costs weighed against each other as one: ``bit-ops+0.5*weights``. :func:`cost_named`, :func:`mixture`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.search.costs import COSTS
from qnnsolve.solver import Measure, Term

__all__ = ["SHARES", "cost_named", "mixture", "weights_of"]

SHARES = ("weights", "activations", "bit-ops")
"""Costs that count in a mixture as a share of the dearest uniform candidate's; the others count in their own unit."""


def cost_named(text: str) -> str:
    """The name of a cost, or of a mixture as it is written everywhere: ``bit-ops+0.5*weights``.

    Raises:
        UnknownNameError: an unknown cost; names the nearest.
        UsageError: a weight that is no positive number, or a cost that stands there twice.
    """
    parts = [f"{number:g}*{cost}" if number != 1 else cost for cost, number in weights_of(text).items()]
    return "+".join(parts)


def weights_of(text: str) -> dict[str, float]:
    """By cost its weight; see :func:`cost_named`."""
    found: dict[str, float] = {}
    for part in text.split("+"):
        number, times, name = (each.strip() for each in part.rpartition("*"))
        if name not in COSTS:
            raise UnknownNameError("cost", name, COSTS)
        if name in found:
            raise UsageError(f"cost {text}: {name} stands there twice")
        try:
            found[name] = float(number) if times else 1.0
        except ValueError:
            found[name] = math.nan
        if not (math.isfinite(found[name]) and found[name] > 0):
            raise UsageError(f"cost {text}: '{number}' is no weight; a mixture of costs is like bit-ops+0.5*weights")
    return found


def mixture(name: str, measures: Mapping[str, Measure], dearest: Mapping[str, float]) -> Measure:
    """The measure of a mixture, from those of its costs, and what the dearest uniform candidate has of each."""
    terms: list[Term] = []
    for cost, weight in weights_of(name).items():
        factor = weight / (dearest[cost] or 1.0) if cost in SHARES else weight
        terms += [
            attrs.evolve(term, amounts={row: amount * factor for row, amount in term.amounts.items()})
            for term in measures[cost].terms
        ]
    return Measure(name, tuple(terms))
