"""What a search does where a point does not measure what was predicted: :func:`measured_instead`.

The noise of the roundings that matter most there is then measured, each alone, in the place of what the gradients say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import decibels
from qnnsolve.search.noises import monotone
from qnnsolve.search.picking import NEAR, OPTIMUM, Pick, measures_better
from qnnsolve.search.trying import Trials

__all__ = ["OFF_DB", "better_of", "measured_instead"]

OFF_DB = 2.0
"""A point whose measured SQNR is farther from the predicted one is not what was promised."""
_MOST = 8
"""So many roundings are measured for such a point."""
_ALIKE_DB = 0.5
"""What measures within this of what it was taken for explains nothing."""

Key = tuple[Site, Encoding]


def measured_instead(
    trials: Trials, picks: Sequence[Pick], noise: Mapping[Key, float]
) -> tuple[dict[Key, float], str] | None:
    """The noise of all roundings, with what was measured in the place of what was wrong, and what a user is told of it;
    None where each point measures what was predicted, or nothing explains why not."""
    off = [pick for pick in picks if abs(_off(trials, pick)) > OFF_DB]
    keys: dict[Key, None] = {}
    for pick in off:
        most = sorted(trials.rounds(pick.config), key=lambda key: -noise.get(key, 0.0))[:_MOST]
        keys.update(dict.fromkeys(key for key in most if key in trials.roundings))
    found = {key: trials.measuring.alone(*key, trials.roundings) for key in keys}
    wrong = [key for key, value in found.items() if abs(decibels(value) - decibels(noise.get(key, 0.0))) > _ALIKE_DB]
    if not wrong:
        return None
    worst = max((_off(trials, pick) for pick in off), key=abs)
    said = (
        f"{len(off)} of the points measured up to {worst:+.1f} dB beside what was predicted: {len(found)} roundings "
        f"that matter most there were measured alone, {len(wrong)} of them were taken for something else, and the "
        "points were asked for again"
    )
    return monotone({**noise, **found})[0], said


def better_of(trials: Trials, before: Sequence[Pick], after: Sequence[Pick]) -> list[Pick]:
    """For each point what measures better: the config from before its prediction was mended, or the one after."""
    found = []
    for old, new in zip(before, after, strict=True):
        if measures_better(new, old):
            found.append(new)
            continue
        own = trials.rounds(old.config) == trials.rounds(new.found.encodings)
        found.append(Pick(new.found, old.config, OPTIMUM if own else NEAR, old.measured))
    return found


def _off(trials: Trials, pick: Pick) -> float:
    """By how much a point measures more dB than predicted."""
    assert pick.measured is not None, "it was measured"
    return decibels(pick.measured.noise) - decibels(trials.front.noise_of(pick.config))
