"""What is low of one tensor's values, over all samples: :class:`LowValues`.

A mask may have written it, or the model may compute it.
"""

from __future__ import annotations

import math

import torch

from qnnsolve.rewriting.masked_values import ENDLESS, apart_from

__all__ = ["LowValues"]


class LowValues:
    """Is told of every sample's low values; tells where they are, and whether they look written.

    ``apart``: extremes, least and largest, of what lay far below the rest of its sample. ``alone``: of samples that
    were low all over. ``beside``: whether there was a sample that was not. Infinite values, and those that no
    activation reaches, are in none of them, but in ``outermost``.
    """

    def __init__(self) -> None:
        self.apart = self.alone = _NOTHING
        self.beside = False
        self.outermost = 0.0
        self._distinct = torch.empty(0)
        self._count = 0

    def split(self, values: torch.Tensor, level: float) -> tuple[float, bool]:
        """The largest of one sample's ``values`` that lies far below the rest, minus infinity where none does; and
        whether the rest is low, too. A mask writes values of at most ``-level``."""
        if not bool((values <= -level).any()):
            self.beside = True
            return -math.inf, False
        limit = apart_from(values, level)
        alone = not bool((values > max(limit, -level)).any())
        self.beside = self.beside or not alone
        return limit, alone

    def hold(self, values: torch.Tensor, alone: bool) -> None:
        """Keep what is low of a sample: what lies far below the rest, or (``alone``) the rest."""
        if not values.numel():
            return
        values = values.float()
        self.outermost = min(self.outermost, float(values.min()))
        self._count += values.numel()
        if self._distinct.numel() < _KEPT:
            some = values[:: max(1, values.numel() // _LOOKED_AT)]
            self._distinct = torch.unique(torch.cat((self._distinct.to(some), some)))
        values = values[values > -ENDLESS]
        if values.numel():
            least, largest = self.alone if alone else self.apart
            found = min(least, float(values.min())), max(largest, float(values.max()))
            self.apart, self.alone = (self.apart, found) if alone else (found, self.alone)

    def written(self) -> bool:
        """Whether the low values look like a mask's: few different ones, or huge ones that differ by little."""
        if not self._distinct.numel():
            return False
        least, largest = float(self._distinct[0]), float(self._distinct[-1])
        tight = largest <= -_HUGE and largest - least <= -_TIGHT * largest
        return least <= -ENDLESS or tight or self._distinct.numel() * _REPEATED <= self._count


_NOTHING = (math.inf, -math.inf)
_KEPT, _LOOKED_AT = 4096, 1 << 16
_REPEATED = 4
"""A mask's value stands at so many places at least, on average. What a model computes differs from place to place."""
_HUGE, _TIGHT = 9000.0, 0.01
"""Masks of -1e4 and below, with scores or a bias added to them."""
