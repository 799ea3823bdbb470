"""Which of two configs has less noise, by what is predicted and by what samples show: :class:`Judge`.

Neither is exact. The noise of each site may be predicted wrongly, but what two configs have in common is wrong for both
alike. Over few samples chance decides, but over the same samples two configs with much in common have the same luck. So
each of the two counts as much as it is sure of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.search.front import Front
from qnnsolve.search.noises import SPREAD_DB
from qnnsolve.search.origins import Roundings

__all__ = ["Judge"]

Config = Mapping[Site, Encoding]
Key = tuple[Site, Encoding]

_OFF = SPREAD_DB * math.log(10) / 10
_LEAST = 1e-30


@attrs.frozen(eq=False)
class Judge:
    """Compares configs of a front."""

    front: Front
    _places: Roundings = attrs.field(init=False)

    @_places.default
    def _of_space(self) -> Roundings:
        return Roundings.of(self.front.space)

    def rounds(self, config: Config) -> tuple[Key, ...]:
        """What two configs that compute the same have in common."""
        return self._places.in_(config)

    def more(self, one: Config, other: Config, of_one: Sequence[float], of_other: Sequence[float]) -> float:
        """By how much the noise of ``one`` is above that of ``other``: the logarithm of their ratio, below 0 where
        ``one`` is the better. ``of_one`` and ``of_other`` are what both have over the same samples; of fewer than two
        samples nobody knows how sure they are, and the prediction alone counts."""
        predicted, chance = self._predicted(one, other)
        if len(of_one) < 2:
            return predicted
        seen, luck = _seen(of_one, of_other)
        if chance + luck == 0.0:
            return seen
        return (predicted * luck + seen * chance) / (chance + luck)

    def _predicted(self, one: Config, other: Config) -> tuple[float, float]:
        """The logarithm of the predicted ratio, and its variance: only of what the two do not share."""
        noises = [self.front.noise_of(each) or _LEAST for each in (one, other)]
        apart = set(self.rounds(one)) ^ set(self.rounds(other))
        squares = math.fsum(self.front.noise.get(key, 0.0) ** 2 for key in apart)
        return math.log(noises[0] / noises[1]), _OFF**2 * squares / (noises[0] * noises[1])


def _seen(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """The logarithm of the ratio over the same samples, and its variance, by how the ratio differs between them."""
    count = len(one)
    means = [sum(each) / count or _LEAST for each in (one, other)]
    if not all(map(math.isfinite, means)):
        return math.log(means[0]) - math.log(means[1]) if means[0] != means[1] else 0.0, 0.0
    differences = (a / means[0] - b / means[1] for a, b in zip(one, other, strict=True))
    return math.log(means[0] / means[1]), sum(each**2 for each in differences) / (count * (count - 1))
