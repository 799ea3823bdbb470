"""How a program compares, as plain frozen records: per output the figures, and what they amount to.

No torch here. Decibels are ``10 log10(sum of squares / sum of squared errors)`` against the float model.
"""

from __future__ import annotations

import enum

import attrs

__all__ = ["ConvertedCheck", "Decibels", "OutputCheck", "Verdict", "Verification", "in_words"]


class Verdict(enum.Enum):
    """What the difference between emulator and converted model is."""

    AGREES = "agrees"
    """At most the tolerance."""
    ROUNDING = "rounding"
    """More, but the emulator is as near to the float model, or at most one step of the encoding apart."""
    DISAGREES = "disagrees"
    """The emulator computes something else, everywhere or in one place."""


@attrs.frozen
class Decibels:
    """SQNR against the float model: over all samples ``together``, of the ``worst`` sample, and of the ``median``
    one."""

    together: float
    worst: float
    median: float
    samples: int = 1


@attrs.frozen
class ConvertedCheck:
    """One output of the converted model against the float model, over all calibration samples, in torch."""

    index: int
    sqnr: Decibels


@attrs.frozen
class OutputCheck:
    """One output of the emulator against the converted model; ``max_rel`` is relative to its range."""

    index: int
    max_abs: float
    max_rel: float
    sqnr_db: float
    """Emulator against the float model, in decibel: of the worst sample."""
    steps: int | None = None
    """``max_abs`` in steps of the output's encoding, where that is known."""
    bits: int | None = None
    """Of that encoding."""
    verdict: Verdict = Verdict.AGREES
    emulator: Decibels | None = None
    converted: Decibels | None = None
    """Both over the samples that the emulator ran."""
    place: str | None = None
    """The channel, row or sample in which it disagrees, where it is one."""
    steps_used: int | None = None
    """How many steps of the encoding lie between the least and the largest value of the converted output."""
    tied: int = 0
    """Values that differ because less than one step decides them: indices of equals, numbers at a threshold."""

    @property
    def lost_db(self) -> float | None:
        """How many decibel less the emulator has than the converted model, both against the float model; negative:
        more."""
        if self.emulator is None or self.converted is None:
            return None
        mine, own = self.converted.together, self.emulator.together
        return 0.0 if mine == own else mine - own

    @property
    def few_steps(self) -> bool:
        """Whether the values use less than an eighth of the encoding's steps, and fewer than 256 of them."""
        if self.steps_used is None or self.bits is None:
            return False
        return self.steps_used < min((1 << self.bits) // 8, 256)


def in_words(check: OutputCheck) -> str:
    """``1.6 % of its range, 4 steps of its 8-bit encoding``; one step at 8 bits is 0.39 % of the range."""
    share = f"{check.max_rel * 100:.3g} % of its range"
    if check.steps is None or check.bits is None:
        return share
    return f"{share}, {check.steps:,} step{'' if check.steps == 1 else 's'} of its {check.bits}-bit encoding"


@attrs.frozen
class Verification:
    """The ``.pte`` on the emulator: worst figures over all samples, and all outputs that are not random.

    Both figures are NaN where every output is random, so that there was nothing to compare.
    """

    emulator_vs_converted_max_rel: float
    sqnr_db: float
    tolerance: float
    samples: int
    outputs: tuple[OutputCheck, ...]
    note: str | None = None
    """What is to be said of outputs: which differs, by how much, what that is, what lies between the delegates."""
    emulator_seconds: float = 0.0
    """What running the samples alone took."""
    random_outputs: tuple[int, ...] = ()
    """Outputs that depend on random numbers: they differ on each run, are not compared, and not in ``outputs``."""

    @property
    def verdict(self) -> Verdict | None:
        """The worst of all outputs; None where there was nothing to compare."""
        if self.random_outputs and not self.outputs:
            return None
        found = {check.verdict for check in self.outputs}
        return next((each for each in (Verdict.DISAGREES, Verdict.ROUNDING) if each in found), Verdict.AGREES)

    @property
    def agrees(self) -> bool | None:
        """Whether no output disagrees: rounding is no disagreement. None where there was nothing to compare."""
        verdict = self.verdict
        return None if verdict is None else verdict is not Verdict.DISAGREES
