"""Budgets and targets as people type them: ``weights=0.6``, ``weights=1.5MB``, ``converts=10``, ``sqnr>=30``,
``bit-ops+0.5*weights=0.8``, ``my_metrics:accuracy>=0.97``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.search.mixtures import cost_named

__all__ = ["SQNR", "Budget", "QualityTarget", "axis_of", "budgets_of", "target_of"]

SQNR = "sqnr"

_SHARES = {"weights": "B", "activations": "B", "bit-ops": ""}
"""Costs of which a plain number is a share of the dearest uniform candidate's; and the unit of an amount."""
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_AMOUNT = re.compile(r"(?P<number>[0-9.eE+-]+?)(?P<factor>[kMGT]?)(?P<unit>B?)")


@attrs.frozen
class Budget:
    """The most that a cost may come to; ``share``: of what the dearest uniform candidate has."""

    cost: str
    most: float
    share: bool

    def amount(self, dearest: Mapping[str, float]) -> float:
        """In the cost's own unit."""
        return self.most * dearest[self.cost] if self.share else self.most


@attrs.frozen
class QualityTarget:
    """The least of ``of``: ``sqnr`` in decibel, or a task metric ``module:callable``."""

    of: str
    least: float

    @property
    def metric(self) -> str | None:
        """The task metric, where it is one."""
        return None if self.of == SQNR else self.of


def budgets_of(texts: str | Sequence[str]) -> tuple[Budget, ...]:
    """Read ``COST=NUMBER``, each cost once.

    Raises:
        UnknownNameError: an unknown cost; names the nearest.
        UsageError: no number, one that is negative, or a share above 1.
    """
    found: dict[str, Budget] = {}
    for text in (texts,) if isinstance(texts, str) else texts:
        for part in text.split(","):
            name, equals, amount = (each.strip() for each in part.partition("="))
            if not equals:
                raise UsageError(f"budget {part}: a budget is like weights=0.6, weights=1.5MB or converts=10")
            name = cost_named(name)
            if name in found:
                raise UsageError(f"budget {part}: {name} has a budget already")
            found[name] = _budget(name, amount, f"budget {part}")
    return tuple(found.values())


def _budget(name: str, text: str, words: str) -> Budget:
    match = _AMOUNT.fullmatch(text)
    try:
        number = float(match["number"]) if match is not None else math.nan
    except ValueError:
        number = math.nan
    if match is None or not (math.isfinite(number) and number >= 0):
        raise UsageError(f"{words}: '{text}' is no amount; write 0.6, 1.5MB or 10")
    said = match["factor"] + match["unit"]
    share = name in _SHARES and not said
    if share and number > 1:
        unit = "1.5MB" if _SHARES[name] else "2G"
        raise UsageError(f"{words}: a plain number is a share of the dearest candidate's, at most 1; or write {unit}")
    if name == "wide-ops" and number > 1:
        raise UsageError(f"{words}: it is a share of the ops, at most 1")
    if said and (name not in _SHARES or match["unit"] != _SHARES[name]):
        raise UsageError(f"{words}: {name} has no unit {said}")
    return Budget(name, number * _FACTORS[match["factor"]], share)


def axis_of(axis: str | None, budgets: Sequence[Budget]) -> str:
    """The cost or the mixture of costs along which points lie: ``axis``, or that of the first budget, or ``bit-ops``.

    Raises:
        UnknownNameError: an unknown cost; names the nearest.
    """
    if axis is not None:
        return cost_named(axis)
    return next((each.cost for each in budgets), "bit-ops")


def target_of(text: str) -> QualityTarget:
    """Read ``sqnr>=30`` or ``module:callable>=0.97``.

    Raises:
        UsageError: it is not of this form.
    """
    name, reached, number = (each.strip() for each in text.rpartition(">="))
    try:
        least = float(number)
    except ValueError:
        least = math.nan
    module, colon, function = name.rpartition(":")
    if name == SQNR and least < 0:
        least = math.nan
    if not reached or not math.isfinite(least) or not (name == SQNR or (module and colon and function)):
        raise UsageError(f"target {text}: a target is like sqnr>=30 (decibel) or my_metrics:accuracy>=0.97")
    return QualityTarget(name, least)
