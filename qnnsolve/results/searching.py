"""What a mixed-precision search answers, as plain frozen records. Field order is the order of the JSON.

Decibels are SQNR at the outputs: ``-10 log10`` of the relative noise power, the weighted mean over the outputs of
squared error over signal. ``inf`` where there is no noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs

from qnnsolve.results.showing import Shown

__all__ = [
    "SearchPoint",
    "SearchProgram",
    "SearchResult",
    "SearchTarget",
    "SensitivityRecord",
    "UniformRecord",
    "decibels",
]


def decibels(noise: float) -> float:
    """SQNR of a relative noise power."""
    return math.inf if noise <= 0 else -math.inf if math.isinf(noise) else -10 * math.log10(noise)


@attrs.frozen
class UniformRecord:
    """A candidate everywhere, as near to it as the rules allow."""

    name: str
    amounts: Mapping[str, float]
    predicted_db: float
    measured_db: float
    metric: float | None = None


@attrs.frozen
class SearchProgram:
    """A point as the real compiler makes it, on the emulator.

    ``unannounced`` are ops on the CPU that the solve had not left there. ``emulator_db`` is against the float model
    over ``samples``, and ``agrees`` whether the emulator computes what the converted model does; None where nothing was
    compared.
    """

    delegates: int
    cpu_ops: int
    unannounced: tuple[str, ...]
    pte_bytes: int
    emulator_db: float | None
    agrees: bool | None
    samples: int

    @property
    def holds(self) -> bool:
        """Whether it is what the search has told of it."""
        return not self.unannounced and self.agrees is not False


@attrs.frozen
class SearchPoint:
    """The best config found within some budgets.

    ``predicted_db`` is what the sensitivities add up to, ``bound_db`` the most that any config within the budgets can
    come to (proven, of the prediction; ``inf`` where a task metric was predicted, too, and decided), ``gap`` how far
    what was predicted may lie above the least, as a fraction. ``measured_db`` is of the converted model over the
    calibration samples; None where it was not measured. ``prices``: by budget, how many decibels one percent more of it
    would bring.
    """

    budgets: Mapping[str, float]
    amounts: Mapping[str, float]
    predicted_db: float
    bound_db: float
    gap: float
    prices: Mapping[str, float]
    how: str
    measured_db: float | None = None
    metric: float | None = None
    found_as: str = "optimum"
    """``optimum``; ``near-optimal``, where a config of nearly the least predicted noise did better in a trial;
    ``alternative``; or another config that measured better within the same budgets: ``point 3``, ``16a8w``."""
    differs: tuple[tuple[str, str], ...] = ()
    """(site, encoding), wherever its config is not that of the last point."""
    program: SearchProgram | None = None
    """None where it was not compiled."""


@attrs.frozen
class SensitivityRecord:
    """The relative noise power that one encoding at one site makes at the outputs; ``db`` is its SQNR alone."""

    site: str
    encoding: str
    noise: float
    db: float


@attrs.frozen
class SearchTarget:
    """What a config was to reach: the least of ``sqnr`` (in decibel) or of the task metric ``of``; ``reached``: whether
    the point measures it, None where nothing was measured."""

    of: str
    least: float
    reached: bool | None

    def __str__(self) -> str:
        return f"{self.least:g} dB" if self.of == "sqnr" else f"{self.of} {self.least:g}"


@attrs.frozen
class SearchResult(Shown):
    """A front of points along the cost ``axis``, or the cheapest point in ``axis`` for a ``target``, and what it was
    found from."""

    soc: str
    candidates: tuple[str, ...]
    axis: str
    target: SearchTarget | None
    samples: int
    directions: int
    points: tuple[SearchPoint, ...]
    uniforms: tuple[UniformRecord, ...]
    sensitivities: tuple[SensitivityRecord, ...]
    """Those of the sites that a choice exists for, the most noise first."""
    passes: Mapping[str, int]
    """Passes over one sample: ``forward`` and ``backward`` for calibration, reference and sensitivities, ``trying``
    configs with simulated roundings, and ``measuring`` converted ones, their calibration included."""
    notes: tuple[str, ...]
    timings: tuple[tuple[str, float], ...]
