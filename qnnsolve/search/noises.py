"""The noise of a config as a measure: the sum over where noise arises. :func:`noise_measure`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.search.origins import converted_edges, origins
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Measure, Term

__all__ = ["NOISE", "monotone", "needed", "noise_measure"]

NOISE = "noise"
"""Its name."""

Key = tuple[Site, Encoding]


def needed(space: Space) -> tuple[Key, ...]:
    """Site and encoding of every noise that some config of ``space`` has, sorted."""
    sites = {*origins(space), *(c.target for c in converted_edges(space))}
    return tuple(sorted((site, e) for site in sites for e in space.choices[site] if e.quantized))


def monotone(noise: Mapping[Key, float]) -> tuple[dict[Key, float], int]:
    """``noise`` with no wider encoding of a site noisier than a narrower one, and how many values that changed: of two
    that chance has put in the wrong order the narrower gets the noise of the wider."""
    found, changed = dict(noise), 0
    for _, keys in itertools.groupby(sorted(noise, key=lambda key: (key[0], -key[1].bits, key[1])), lambda key: key[0]):
        least = 0.0
        for key in keys:
            if found[key] < least:
                found[key] = least
                changed += 1
            least = max(least, found[key])
    return found, changed


def noise_measure(space: Space, noise: Mapping[Key, float]) -> Measure:
    """The relative noise power at the outputs, to first order; what is not in ``noise`` makes none."""
    return Measure(NOISE, tuple(_terms(space, noise)))


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
