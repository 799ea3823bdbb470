"""One run of an operator on the emulator: encodings, numbers, and what should come out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch

from qnnsolve.probe.grids import NUMPY, Grid, Reals, bits_of, grid_of, is_quantized, stored_as
from qnnsolve.probe.reference import REFERENCES
from qnnsolve.probe.specs import CaseSpec, Check, Fill, OpSpec, Port, Role

__all__ = ["Outcome", "Stored", "Trial", "Variant", "make_trial", "retold", "variants_of"]

Stored = npt.NDArray[Any]
_SPANS = ((-1.7, 2.3), (-1.1, 0.8), (-0.9, 1.9), (-2.1, 1.3))
"""What the inputs are fed with, by position: all different, so that encodings differ."""
_INTEGER_SPANS = ((-20.0, 30.0), (-9.0, 14.0), (-25.0, 12.0), (-15.0, 18.0))
_STRETCH = (0.13, 0.07)
"""By how much of its range an output's encoding is wider, below and above: no saturation, and never the input's."""


@attrs.frozen
class Variant:
    """What is special about a run: ports that share one encoding; an output on the operator's own grid.

    ``fixed`` is the range of that grid (0 to 1 in 256 steps for ``u8``).
    """

    same: tuple[int, ...] = ()
    fixed: tuple[float, float] | None = None


@attrs.frozen(eq=False)
class Trial:
    """Grids per port (None: absent), stored numbers per input, and per output the real numbers expected."""

    case: CaseSpec
    grids: tuple[Grid | None, ...]
    stored: tuple[Stored | None, ...]
    expected: tuple[Reals, ...]
    spec: OpSpec

    @property
    def outputs(self) -> tuple[tuple[int, Grid], ...]:
        """Position and grid of every output."""
        placed = enumerate(zip(self.case.ports, self.grids, strict=True))
        return tuple((i, grid) for i, (port, grid) in placed if port.role is Role.OUTPUT and grid is not None)

    @property
    def fed(self) -> dict[int, Stored]:
        """The numbers that the graph is fed with, by position."""
        placed = enumerate(zip(self.case.ports, self.stored, strict=True))
        return {i: numbers for i, (port, numbers) in placed if port.role is Role.INPUT and numbers is not None}

    def kind(self, index: int) -> Any:
        """The NumPy dtype that holds the port at ``index``."""
        grid = self.grids[index]
        assert grid is not None
        return NUMPY[stored_as(grid.code)]

    def expect(self, nudge: float = 0.0) -> tuple[Reals, ...]:
        """What the reference computes when every quantized first input is off by ``nudge`` of its step."""
        reals = _reals(self.grids, self.stored)
        first = self.grids[0]
        if nudge and reals[0] is not None and first is not None and is_quantized(first.code):
            reals[0] = reals[0] + nudge * first.scale
        return _computed(self.spec, self.case, reals)

    def wanted(self, number: int) -> Reals:
        """What output ``number`` should hold, in real units: what is expected, as far as its dtype can say it."""
        expected, (_, grid) = self.expected[number], self.outputs[number]
        if self.spec.check is not Check.CASTS or grid.code not in ("i32", "u32", "b8"):
            return expected
        whole: Reals = np.trunc(expected) if grid.code != "b8" else (expected != 0).astype(np.float64)
        return whole


@attrs.frozen(eq=False)
class Outcome:
    """Whether finalize accepted ``trial``, whether the emulator ran it, and the stored numbers that came out."""

    compiled: bool
    ran: bool
    results: tuple[Stored, ...]
    trial: Trial


def make_trial(spec: OpSpec, case: CaseSpec, codes: tuple[str, ...], variant: Variant, seed: int) -> Trial:
    """Return the run of ``codes`` (``~``: zero point in the middle) in ``variant``; the same for the same arguments."""
    chance = np.random.default_rng(zlib.crc32(repr((spec.op, case.name, codes, seed)).encode()))
    ports = tuple(zip(case.ports, codes, strict=True))
    spans = [_span(port, code, index) for index, (port, code) in enumerate(ports)]
    shared = _union(spans[index] for index in variant.same if case.ports[index].role is not Role.OUTPUT)
    grids = [
        _input_grid(port, code, shared if index in variant.same and shared else spans[index], spans[index], chance)
        for index, (port, code) in enumerate(ports)
    ]
    state = chance.bit_generator.state
    stored = _draw(case, grids, chance)
    expected = _computed(spec, case, _reals(grids, stored))
    places = [index for index, port in enumerate(case.ports) if port.role is Role.OUTPUT]
    if any(index in variant.same for index in places):
        ranges = [_range(real) for index, real in zip(places, expected, strict=True) if index in variant.same]
        shared = _union((*ranges, *((shared,) if shared else ())))
        assert shared is not None
        for index in variant.same:
            port, code = ports[index]
            grids[index] = grid_of(port, code, shared, spans[index] if index not in places else shared, chance)
        chance.bit_generator.state = state
        stored = _draw(case, grids, chance)
        expected = _computed(spec, case, _reals(grids, stored))
    for index, real in zip(places, expected, strict=True):
        if grids[index] is None:
            grids[index] = _output_grid(*ports[index], real, variant.fixed, chance)
    return Trial(case, tuple(grids), tuple(stored), expected, spec)


def variants_of(spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> tuple[Variant, ...]:
    """The runs to try, in order, until one is right: differing encodings, then shared ones, then the operator's own.

    Shared are the first input and the output, then another input and the output, then all that have the output's code:
    the fewest that suffice. What has a bias computes with each encoding and is not asked so.
    """
    found = [Variant()]
    outputs = [index for index, port in enumerate(case.ports) if port.role is Role.OUTPUT]
    alike = [
        index
        for index, code in enumerate(codes)
        if is_quantized(code) and code[-1] not in "cb" and code == codes[outputs[0]]
    ]
    inputs = [index for index in alike if index not in outputs]
    made = [index for index in alike if index in outputs]
    if not any(port.fill is Fill.BIAS for port in case.ports):
        if made:
            found += [Variant((index, *made)) for index in inputs]
        if len(inputs) > 1 or (len(inputs) == 1 and not made):
            found += [Variant(tuple(alike))]
        elif spec.check is Check.JUMPS and not made:
            twins = [index for index, code in enumerate(codes[:-1]) if is_quantized(code) and code == codes[0]]
            found += [Variant(tuple(twins))] if len(twins) > 1 else []
    if spec.fixed is not None and is_quantized(codes[outputs[0]]):
        found.append(Variant(fixed=spec.fixed))
    return tuple(found)


def retold(trial: Trial, grids: Mapping[int, Grid], stored: Mapping[int, Stored]) -> Trial:
    """``trial`` with other inputs, and what is expected of them."""
    all_grids = tuple(grids.get(index, grid) for index, grid in enumerate(trial.grids))
    numbers = tuple(stored.get(index, given) for index, given in enumerate(trial.stored))
    expected = _computed(trial.spec, trial.case, _reals(all_grids, numbers))
    return attrs.evolve(trial, grids=all_grids, stored=numbers, expected=expected)


def _span(port: Port, code: str, index: int) -> tuple[float, float]:
    if port.span is not None:
        return port.span
    low, high = (_SPANS if is_quantized(code) or code[0] == "f" else _INTEGER_SPANS)[index % len(_SPANS)]
    return (0.0 if code == "u32" else low), high


def _union(spans: Any) -> tuple[float, float] | None:
    found = list(spans)
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _range(real: Reals) -> tuple[float, float]:
    return (float(real.min()), float(real.max())) if real.size else (0.0, 1.0)


def _input_grid(
    port: Port, code: str, span: tuple[float, float], use: tuple[float, float], chance: np.random.Generator
) -> Grid | None:
    return None if port.role is Role.OUTPUT or code == "-" else grid_of(port, code, span, use, chance)


def _output_grid(
    port: Port, code: str, real: Reals, fixed: tuple[float, float] | None, chance: np.random.Generator
) -> Grid:
    low, high = _range(real)
    if fixed is not None and is_quantized(code):
        return _own_grid(port, code, fixed)
    wide = max(high - low, 1e-3)
    span = (low - _STRETCH[0] * wide, high + _STRETCH[1] * wide)
    return grid_of(port, code, span, span, chance)


def _own_grid(port: Port, code: str, fixed: tuple[float, float]) -> Grid:
    """2^bits steps over ``fixed``; a signed grid of a range from 0 has its zero point at its lowest code."""
    bits = bits_of(code)
    scale = (fixed[1] - fixed[0]) / 2**bits
    lowest = 0 if code[0] == "u" else -(2 ** (bits - 1))
    zero_point = lowest + round(-fixed[0] / scale)
    return Grid(code.rstrip("~"), np.array(scale), zero_point, lowest, lowest + 2**bits - 1)


def _draw(case: CaseSpec, grids: list[Grid | None], chance: np.random.Generator) -> list[Stored | None]:
    stored: list[Stored | None] = []
    for index, (port, grid) in enumerate(zip(case.ports, grids, strict=True)):
        if port.role is Role.OUTPUT or grid is None:
            stored.append(None)
            continue
        first = grids[0]
        if port.fill is Fill.BIAS and grid.code in ("s32", "s32c") and first is not None and is_quantized(first.code):
            grid = grids[index] = _bias_grid(port, grid, grids)
        stored.append(_numbers(port, grid, chance))
    return stored


def _bias_grid(port: Port, grid: Grid, grids: list[Grid | None]) -> Grid:
    """The scale that the accumulator has; one number declared for many channels is their mean, and what it says."""
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


def _numbers(port: Port, grid: Grid, chance: np.random.Generator) -> Stored:
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


def _reals(grids: Any, stored: Any) -> list[Reals | None]:
    found: list[Reals | None] = []
    for grid, numbers in zip(grids, stored, strict=True):
        found.append(None if grid is None or numbers is None else grid.real(numbers))
    return found


def _computed(spec: OpSpec, case: CaseSpec, reals: list[Reals | None]) -> tuple[Reals, ...]:
    tensors = [
        None if real is None else torch.from_numpy(np.ascontiguousarray(real))
        for port, real in zip(case.ports, reals, strict=True)
        if port.role is not Role.OUTPUT
    ]
    results = REFERENCES[spec.op](tensors, case)
    return tuple(result.to(torch.float64).numpy() for result in results)
