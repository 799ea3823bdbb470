"""Whether what the emulator computed is right, and how far off it is."""

from __future__ import annotations

import attrs
import numpy as np

from qnnsolve.probe.grids import Reals, TensorGrid, bits_of, is_quantized
from qnnsolve.probe.questions import Check
from qnnsolve.probe.trial import Trial, TrialOutcome

__all__ = ["Judgement", "judge"]

_TOLERANCE = {8: 2.0, 16: 256.0, 32: 2.0**14}
"""Steps of the output's encoding by which a value may be off, per bits: at most 0.8 % of its range, so that an operator
alone stays within the 1 % that a whole program is held to; and 16 bits must not be worse than one step of 8."""
_MOVED = {8: 1.01, 16: 4.0, 32: 4.0}
"""The same for values that are only moved, or picked: as much as a Convert between two encodings is off by (V68 to V81
at 16 bits: 2 steps of 65,536). Bits that keep their old meaning are thousands of steps off."""
_FLOAT_STEP = 2.0**-10
_FLOAT_TOLERANCE = 8.0
"""Floats are computed in half precision: 10 bits of mantissa."""
_SIGMAS = 6.0


@attrs.frozen
class Judgement:
    """``steps``: the largest error in steps of its output (floats: in 1/1024 of the output's range)."""

    right: bool
    steps: float


def judge(outcome: TrialOutcome) -> Judgement:
    """Compare every output with what is expected."""
    trial = outcome.trial
    if not outcome.ran:
        return Judgement(False, float("inf"))
    if trial.spec.check is Check.RANGE:
        return _in_range(outcome)
    worst, right = 0.0, True
    for number, (index, grid) in enumerate(trial.outputs):
        got = grid.real(outcome.results[number])
        error = _error(trial, outcome, number, got, grid)
        step = _step(grid, trial.expected[number])
        steps = float(np.max(error / step)) if error.size else 0.0
        steps = steps if np.isfinite(steps) else float("inf")
        worst, right = max(worst, steps), right and steps <= _allowed(trial, index, grid)
    return Judgement(right, worst)


def _error(trial: Trial, outcome: TrialOutcome, number: int, got: Reals, grid: TensorGrid) -> Reals:
    expected = trial.wanted(number)
    match trial.spec.check:
        case Check.PLACES if grid.code in ("i32", "u32"):
            first, values = trial.grids[0], trial.stored[0]
            assert first is not None and values is not None
            places = got.astype(np.int64).clip(0, values.shape[-1] - 1)
            wanted = expected.astype(np.int64)
            if got.ndim < values.ndim:
                places, wanted = places[..., None], wanted[..., None]
            codes = values.astype(np.float64)
            off: Reals = np.take_along_axis(codes, places, -1) - np.take_along_axis(codes, wanted, -1)
            wrong_place: Reals = np.abs(off) + (got != places.reshape(got.shape)).reshape(off.shape)
            return wrong_place
        case Check.JUMPS:
            near = [expected, *(trial.expect(nudge)[number] for nudge in (-1.01, -0.51, 0.51, 1.01))]
            low, high = np.minimum.reduce(near), np.maximum.reduce(near)
            outside: Reals = np.maximum(np.maximum(low - got, got - high), 0.0)
            return outside
    plain: Reals = np.abs(got - expected)
    return plain


def _step(grid: TensorGrid, expected: Reals) -> float:
    if grid.code in ("f32", "f16"):
        return max(float(np.abs(expected).max()), 1e-3) * _FLOAT_STEP if expected.size else 1.0
    return grid.step


def _allowed(trial: Trial, index: int, grid: TensorGrid) -> float:
    if grid.code in ("f32", "f16"):
        return _FLOAT_TOLERANCE
    if not is_quantized(grid.code):
        return 0.5
    allowed = _MOVED if trial.spec.check is Check.MOVES else _TOLERANCE
    return allowed[max(bits_of(grid.code), 8)]


def _in_range(outcome: TrialOutcome) -> Judgement:
    ((_, grid),) = outcome.trial.outputs
    got, params = grid.real(outcome.results[0]), outcome.trial.case.values
    if "low" in params:
        low, high = float(params["low"]), float(params["high"])
    else:
        mean, scale = float(params["mean"]), float(params["scale"])
        low, high = mean - _SIGMAS * scale, mean + _SIGMAS * scale
    slack = grid.step if is_quantized(grid.code) else (high - low) * _FLOAT_STEP
    inside = bool((got >= low - slack).all() and (got <= high + slack).all())
    return Judgement(inside and float(got.std()) > (high - low) / 50, 0.0)
