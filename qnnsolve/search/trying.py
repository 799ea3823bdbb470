"""Configs that may be better than the least predicted noise, and which of them is: :func:`tried`.

Of the configs within a point's budgets those whose predicted noise comes near to the least are run with their roundings
simulated, which needs no calibration: all of them over the same few samples, so that what one is better by shows long
before what each has. A trial and the prediction count as much as each of them is sure
(:mod:`qnnsolve.search.judging`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.search.front import Front, FrontPoint
from qnnsolve.search.judging import Judge
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.picking import NEAR, Pick
from qnnsolve.search.rounding import Rounding
from qnnsolve.solver import Limits

__all__ = ["Trials", "tried"]

Config = Mapping[Site, Encoding]
Key = tuple[Site, Encoding]
Keys = tuple[Key, ...]

CLOSE_DB = 0.5
"""By how much more a config may be predicted to have than the best one, to be run."""
FINALISTS = 3
"""So many configs are run for a point at most."""
FEWEST = 2
"""Over fewer samples no config is run."""
SHARE = 5
"""All trials together take at most one in so many of the passes that went before."""


@attrs.frozen(eq=False)
class Trials:
    """Runs configs with their roundings simulated. Those that round alike count as one."""

    front: Front
    measuring: Measuring
    roundings: Mapping[Key, Rounding]
    passes: int
    """So many it may take in all."""
    judge: Judge = attrs.field(init=False)

    @judge.default
    def _of_front(self) -> Judge:
        return Judge(self.front)

    def rounds(self, config: Config) -> Keys:
        """What two configs that compute the same have in common."""
        return self.judge.rounds(config)

    def run(self, options: Iterable[Keys]) -> dict[Keys, list[float]]:
        """The noise of each of ``options`` over the same few samples; none where there are too few passes."""
        wanted = dict.fromkeys(options)
        count = min(self.measuring.studied.enough, self.passes // max(len(wanted), 1))
        return {keys: self.measuring.trial(keys, self.roundings, count) for keys in wanted} if count else {}


def tried(trials: Trials, points: Sequence[FrontPoint], limits: Limits, stages: Stages) -> list[Pick]:
    """For each point the config that does best: of its own and of those of all other points that are within its
    budgets. Its own, where there are too few passes to run another one beside each."""
    front, options = trials.front, dict[Keys, Config]()
    for point in points:
        options.setdefault(trials.rounds(point.encodings), point.encodings)
    if trials.passes < 2 * FEWEST * len(options):
        return [Pick(point, point.encodings) for point in points]
    with stages("near", len(points)):
        # The loosest first: see Front.best.
        for index, point in enumerate(sorted(points, key=lambda each: -sum(each.budgets.values()))):
            stages.step("near", index, len(points))
            for config in front.nearly(point.budgets, limits):
                options.setdefault(trials.rounds(config), config)
    near = {keys: front.noise_of(config) for keys, config in options.items()}
    finals = [_finalists(front, point, options, near, trials.rounds(point.encodings)) for point in points]
    with stages("try"):
        found = trials.run(keys for final in finals if len(final) > 1 for keys in final)
    picks = []
    for point, (own, *others) in zip(points, finals, strict=True):
        best = own
        for keys in others if found else ():
            if trials.judge.more(options[keys], options[best], found[keys], found[best]) < 0:
                best = keys
        picks.append(Pick(point, point.encodings) if best == own else Pick(point, options[best], NEAR))
    return picks


def _finalists(
    front: Front, point: FrontPoint, options: Mapping[Keys, Config], near: Mapping[Keys, float], own: Keys
) -> list[Keys]:
    """The point's own, and those that come nearest to it in the prediction."""
    most = near[own] * 10 ** (CLOSE_DB / 10)
    others = [keys for keys, config in options.items() if keys != own and front.fits(config, point.budgets)]
    return [own, *sorted((keys for keys in others if near[keys] <= most), key=near.__getitem__)[: FINALISTS - 1]]
