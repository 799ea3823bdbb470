"""The noise of a config as a measure: the sum over where noise arises. :func:`noise_measure`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.search.origins import converted_edges, origins
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Measure, Term

__all__ = ["LOSS", "NOISE", "SPREAD_DB", "monotone", "needed", "noise_measure", "varied"]

NOISE, LOSS = "noise", "loss"
"""Its name; and that of what roundings take from a task metric, in the same way."""
SPREAD_DB = 1.5
"""By how much a site's noise may be off: the standard deviation in decibel. Predicted and measured noise of whole
configs differ by 0.3 to 1.3 dB rms (`benchmarks.search`)."""

Key = tuple[Site, Encoding]


def needed(space: Space) -> tuple[Key, ...]:
    """Site and encoding of every noise that some config of ``space`` has, sorted."""
    sites = {*origins(space), *(c.target for c in converted_edges(space))}
    return tuple(sorted((site, e) for site in sites for e in space.choices[site] if e.quantized))


def monotone(noise: Mapping[Key, float]) -> tuple[dict[Key, float], int]:
    """``noise`` made monotone, and how many values that changed: no wider encoding of a site is noisier than a narrower
    one. Where chance has put two in the wrong order, the narrower one gets the noise of the wider."""
    found, changed = dict(noise), 0
    for _, keys in itertools.groupby(sorted(noise, key=lambda key: (key[0], -key[1].bits, key[1])), lambda key: key[0]):
        least = 0.0
        for key in keys:
            if found[key] < least:
                found[key] = least
                changed += 1
            least = max(least, found[key])
    return found, changed


def noise_measure(space: Space, noise: Mapping[Key, float], name: str = NOISE) -> Measure:
    """The relative noise power at the outputs, to first order; what is not in ``noise`` makes none."""
    return Measure(name, tuple(_terms(space, noise)))


def varied(noise: Mapping[Key, float], seed: int) -> dict[Key, float]:
    """``noise`` as it may be as well: all encodings of a site times one log-normal factor. It depends on ``seed``
    alone."""
    drawn = random.Random(seed)
    sites = sorted({site for site, _ in noise})
    factors = {site: 10 ** (drawn.gauss(0.0, SPREAD_DB) / 10) for site in sites}
    return {(site, encoding): value * factors[site] for (site, encoding), value in noise.items()}


def _terms(space: Space, noise: Mapping[Key, float]) -> Iterator[Term]:
    for site in origins(space):
        amounts: dict[tuple[Encoding, ...], float] = {
            (e,): noise[site, e] for e in space.choices[site] if noise.get((site, e), 0.0) > 0
        }
        if amounts:
            yield Term((site,), amounts)
    for c in converted_edges(space):
        pairs = itertools.product(space.choices[c.source], space.choices[c.target])
        rows: dict[tuple[Encoding, ...], float] = {
            (a, b): noise[c.target, b] for a, b in pairs if a != b and noise.get((c.target, b), 0.0) > 0
        }
        if rows:
            yield Term(c.sites, rows)
