"""The encodings and numbers of a run, drawn by chance from a seed."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np

from qnnsolve.probe.grids import NUMPY, Reals, Stored, TensorGrid, bits_of, grid_of, is_quantized, stored_as
from qnnsolve.probe.questions import CaseSpec, Fill, PortRole, TensorPort

__all__ = ["draw", "input_grid", "output_grid", "range_of", "span_of", "union"]

_SPANS = ((-1.7, 2.3), (-1.1, 0.8), (-0.9, 1.9), (-2.1, 1.3))
"""What the inputs are fed with, by position: all different, so that encodings differ."""
_INTEGER_SPANS = ((-20.0, 30.0), (-9.0, 14.0), (-25.0, 12.0), (-15.0, 18.0))
_STRETCH = (0.13, 0.07)
"""By how much of its range an output's encoding is wider, below and above: no saturation, and never the input's."""


def span_of(port: TensorPort, code: str, index: int) -> tuple[float, float]:
    """The real numbers, inclusive, that ``port`` is fed with in ``code``; ``index`` is its position."""
    if port.span is not None:
        return port.span
    low, high = (_SPANS if is_quantized(code) or code[0] == "f" else _INTEGER_SPANS)[index % len(_SPANS)]
    return (0.0 if code == "u32" else low), high


def union(spans: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    """The least range that holds all ``spans``; None of none."""
    found = list(spans)
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def range_of(real: Reals) -> tuple[float, float]:
    """The smallest and the largest of these numbers; 0 and 1 where there are none."""
    return (float(real.min()), float(real.max())) if real.size else (0.0, 1.0)


def input_grid(
    port: TensorPort, code: str, span: tuple[float, float], use: tuple[float, float], chance: np.random.Generator
) -> TensorGrid | None:
    """The encoding of an input; None for an output, and for an input that is absent."""
    return None if port.role is PortRole.OUTPUT or code == "-" else grid_of(port, code, span, use, chance)


def output_grid(
    port: TensorPort, code: str, real: Reals, fixed: tuple[float, float] | None, chance: np.random.Generator
) -> TensorGrid:
    """An encoding for an output of these numbers: the operator's own over ``fixed``, else wider than they reach."""
    low, high = range_of(real)
    if fixed is not None and is_quantized(code):
        return _own_grid(port, code, fixed)
    wide = max(high - low, 1e-3)
    span = (low - _STRETCH[0] * wide, high + _STRETCH[1] * wide)
    return grid_of(port, code, span, span, chance)


def _own_grid(port: TensorPort, code: str, fixed: tuple[float, float]) -> TensorGrid:
    """2^bits steps over ``fixed``; a signed grid of a range from 0 has its zero point at its lowest code."""
    bits = bits_of(code)
    scale = (fixed[1] - fixed[0]) / 2**bits
    lowest = 0 if code[0] == "u" else -(2 ** (bits - 1))
    zero_point = lowest + round(-fixed[0] / scale)
    return TensorGrid(code.rstrip("~"), np.array(scale), zero_point, lowest, lowest + 2**bits - 1)


def draw(case: CaseSpec, grids: list[TensorGrid | None], chance: np.random.Generator) -> list[Stored | None]:
    """The stored numbers of each input, None for outputs and what is absent. Gives biases their scale in ``grids``."""
    stored: list[Stored | None] = []
    for index, (port, grid) in enumerate(zip(case.ports, grids, strict=True)):
        if port.role is PortRole.OUTPUT or grid is None:
            stored.append(None)
            continue
        first = grids[0]
        if port.fill is Fill.BIAS and grid.code in ("s32", "s32c") and first is not None and is_quantized(first.code):
            grid = grids[index] = _bias_grid(port, grid, grids)
        stored.append(_numbers(port, grid, chance))
    return stored


def _bias_grid(port: TensorPort, grid: TensorGrid, grids: list[TensorGrid | None]) -> TensorGrid:
    """The scale of the accumulator per channel, or for ``s32`` the mean over the channels for all of them."""
    first, second = grids[0], grids[1]
    assert first is not None and second is not None
    weights = second.channel_scales if second.channel_scales is not None else second.scale.reshape(-1)
    per_channel = float(first.scale.max()) * np.resize(weights, port.shape[-1])  # groups repeat their scales
    if grid.code == "s32":
        per_channel = np.broadcast_to(per_channel.mean(), per_channel.shape)
    top = int(_BIAS_REACH / float(per_channel.max()))
    return attrs.evolve(
        grid, scale=per_channel, channel_scales=per_channel, low=-top, high=top, axis=len(port.shape) - 1
    )


_BIAS_REACH = 2.0
"""Real units that a bias goes up and down: enough to be seen in every output."""


def _numbers(port: TensorPort, grid: TensorGrid, chance: np.random.Generator) -> Stored:
    kind = NUMPY[stored_as(grid.code)]
    if grid.code == "b8":
        return chance.integers(0, 2, port.shape).astype(kind)
    if port.fill is Fill.DISTINCT:
        ranks = np.argsort(chance.random(port.shape), axis=-1)
        spread = grid.low + ranks * ((grid.high - grid.low) / port.shape[-1])
        return (spread.astype(np.float16) if grid.code[0] == "f" else spread).astype(kind)
    if grid.code in ("f32", "f16"):
        return chance.uniform(grid.low, grid.high, port.shape).astype(np.float16).astype(kind)
    return chance.integers(int(grid.low), int(grid.high) + 1, port.shape).astype(kind)
