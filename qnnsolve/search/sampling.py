"""How many backward passes each sample gets, and which samples: :func:`directions_for`, :class:`Chosen`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["DIRECTIONS", "Chosen", "directions_for", "unsure"]

DIRECTIONS = 8
"""Backward passes per sample, at most."""
_FEWEST, _BACKWARD = 4, 64
"""Of many samples each needs fewer, and not all are needed: so many backward passes in all rank the encodings of the
benchmark's CNN and ViT as measuring them does (`benchmarks.search`)."""
SURE = 0.2
"""Where the noise of a model may be off by more than this share of it (0.8 dB, a standard deviation), as many samples
again are looked at. Of the benchmark's networks the pitch tracker needs it: half of its noise comes from three of 32
samples."""
_CHEAPER = 20
"""More samples are looked at only where all of it takes one in so many of the passes that measuring each encoding alone
takes."""


def directions_for(samples: int) -> int:
    """How many backward passes each of so many samples gets."""
    return min(DIRECTIONS, max(_FEWEST, -(-_BACKWARD // samples)))


@attrs.frozen
class Chosen:
    """The samples that are differentiated, by number: ``first``, and where these leave the noise unsure, ``more``, each
    in half as many directions."""

    first: tuple[int, ...]
    more: tuple[int, ...] = ()

    @classmethod
    def of(cls, samples: int, directions: int, encodings: int) -> Chosen:
        """Evenly spread ones of so many samples, and all where they are few; ``encodings`` are to be found at sites."""
        count = min(samples, -(-_BACKWARD // directions))
        first, all_ = _spread(samples, count), _spread(samples, min(samples, 2 * count))
        affordable = len(all_) * (1 + directions) * _CHEAPER <= encodings * samples
        return cls(first, tuple(index for index in all_ if index not in first) if affordable else ())


def _spread(samples: int, count: int) -> tuple[int, ...]:
    return tuple(index * samples // count for index in range(count))


def unsure(noises: Sequence[float], samples: int, directions: int, numbers: int) -> float:
    """By which share the mean of ``noises`` may be off from that of all samples (a standard deviation): ``noises`` are
    those of some of ``samples``, each told by so many of the directions that ``numbers`` at the outputs have.

    A noise in one random direction varies by twice its square; samples vary as these do.
    """
    squares = sum(each * each for each in noises)
    if not squares:
        return 0.0
    effective = sum(noises) ** 2 / squares
    of_samples = 1 - len(noises) / samples
    of_directions = 2 / directions * max(0.0, 1 - directions / numbers)
    return float(((of_samples + of_directions) / effective) ** 0.5)
