"""What a config costs, as linear measures: noise power, bytes of weights, bit operations, converts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding

__all__ = ["Measure", "Term"]


def _amounts(term: Any, _: object, amounts: Mapping[tuple[Encoding, ...], float]) -> None:
    for row, amount in amounts.items():
        if len(row) != len(term.sites):
            raise ValueError(f"a term over {len(term.sites)} sites has an amount for {len(row)} encodings")
        if not (math.isfinite(amount) and amount >= 0):
            raise ValueError(f"amounts are finite and not negative, got {amount}")


@attrs.frozen(eq=False)
class Term:
    """An amount per tuple of encodings, one for each of ``sites``. What is not listed amounts to 0.

    Raises:
        ValueError: no site, a tuple of another length, or an amount that is negative or not finite.
    """

    sites: tuple[Site, ...] = attrs.field(validator=attrs.validators.min_len(1))
    amounts: Mapping[tuple[Encoding, ...], float] = attrs.field(validator=_amounts, repr=False)

    def of(self, config: Mapping[Site, Encoding]) -> float:
        """The amount in this config."""
        return self.amounts.get(tuple([config[site] for site in self.sites]), 0.0)


@attrs.frozen(eq=False)
class Measure:
    """A cost of a config that is a sum of terms, under the name by which objectives and budgets call it."""

    name: str
    terms: tuple[Term, ...] = attrs.field(repr=False)

    def of(self, config: Mapping[Site, Encoding]) -> float:
        """The amount of the whole config: the sum of its terms, rounded once (``math.fsum``).

        Raises:
            KeyError: ``config`` lacks a site.
        """
        return math.fsum([term.of(config) for term in self.terms])
