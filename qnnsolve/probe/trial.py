"""One run of an operator on the emulator: encodings, numbers, and what should come out."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import torch

from qnnsolve.probe.drawing import draw, input_grid, output_grid, range_of, span_of, union
from qnnsolve.probe.expected import EXPECTED
from qnnsolve.probe.grids import NUMPY, Reals, Stored, TensorGrid, grid_of, is_quantized, stored_as
from qnnsolve.probe.questions import CaseSpec, Check, Fill, OpSpec, PortRole

__all__ = ["Trial", "TrialOutcome", "Variant", "make_trial", "retold", "variants_of"]


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
    grids: tuple[TensorGrid | None, ...]
    stored: tuple[Stored | None, ...]
    expected: tuple[Reals, ...]
    spec: OpSpec

    @property
    def outputs(self) -> tuple[tuple[int, TensorGrid], ...]:
        """Position and grid of every output."""
        placed = enumerate(zip(self.case.ports, self.grids, strict=True))
        return tuple((i, grid) for i, (port, grid) in placed if port.role is PortRole.OUTPUT and grid is not None)

    @property
    def fed(self) -> dict[int, Stored]:
        """The numbers that the graph is fed with, by position."""
        placed = enumerate(zip(self.case.ports, self.stored, strict=True))
        return {i: numbers for i, (port, numbers) in placed if port.role is PortRole.INPUT and numbers is not None}

    def kind(self, index: int) -> Any:
        """The NumPy dtype that holds the port at ``index``."""
        grid = self.grids[index]
        assert grid is not None
        return NUMPY[stored_as(grid.code)]

    def expect(self, nudge: float = 0.0) -> tuple[Reals, ...]:
        """What is expected when every quantized first input is off by ``nudge`` of its step."""
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
class TrialOutcome:
    """Whether finalize accepted ``trial``, whether the emulator ran it, and the stored numbers that came out."""

    compiled: bool
    ran: bool
    results: tuple[Stored, ...]
    trial: Trial


def make_trial(spec: OpSpec, case: CaseSpec, codes: tuple[str, ...], variant: Variant, seed: int) -> Trial:
    """Return the run of ``codes`` (``~``: zero point in the middle) in ``variant``; the same for the same arguments."""
    chance = np.random.default_rng(zlib.crc32(repr((spec.op, case.name, codes, seed)).encode()))
    ports = tuple(zip(case.ports, codes, strict=True))
    spans = [span_of(port, code, index) for index, (port, code) in enumerate(ports)]
    shared = union(spans[index] for index in variant.same if case.ports[index].role is not PortRole.OUTPUT)
    grids = [
        input_grid(port, code, shared if index in variant.same and shared else spans[index], spans[index], chance)
        for index, (port, code) in enumerate(ports)
    ]
    state = chance.bit_generator.state
    stored = draw(case, grids, chance)
    expected = _computed(spec, case, _reals(grids, stored))
    places = [index for index, port in enumerate(case.ports) if port.role is PortRole.OUTPUT]
    if any(index in variant.same for index in places):
        ranges = [range_of(real) for index, real in zip(places, expected, strict=True) if index in variant.same]
        shared = union((*ranges, *((shared,) if shared else ())))
        assert shared is not None
        for index in variant.same:
            port, code = ports[index]
            grids[index] = grid_of(port, code, shared, spans[index] if index not in places else shared, chance)
        chance.bit_generator.state = state
        stored = draw(case, grids, chance)
        expected = _computed(spec, case, _reals(grids, stored))
    for index, real in zip(places, expected, strict=True):
        if grids[index] is None:
            grids[index] = output_grid(*ports[index], real, variant.fixed, chance)
    return Trial(case, tuple(grids), tuple(stored), expected, spec)


def variants_of(spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> tuple[Variant, ...]:
    """The runs to try, in order, until one is right: differing encodings, then shared ones, then the operator's own.

    Shared are the first input and the output, then another input and the output, then all that have the output's code:
    the fewest that suffice. What has a bias computes with each encoding and is not asked so.
    """
    found = [Variant()]
    outputs = [index for index, port in enumerate(case.ports) if port.role is PortRole.OUTPUT]
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


def retold(trial: Trial, grids: Mapping[int, TensorGrid], stored: Mapping[int, Stored]) -> Trial:
    """``trial`` with other inputs, and what is expected of them."""
    all_grids = tuple(grids.get(index, grid) for index, grid in enumerate(trial.grids))
    numbers = tuple(stored.get(index, given) for index, given in enumerate(trial.stored))
    expected = _computed(trial.spec, trial.case, _reals(all_grids, numbers))
    return attrs.evolve(trial, grids=all_grids, stored=numbers, expected=expected)


def _reals(grids: Any, stored: Any) -> list[Reals | None]:
    found: list[Reals | None] = []
    for grid, numbers in zip(grids, stored, strict=True):
        found.append(None if grid is None or numbers is None else grid.real(numbers))
    return found


def _computed(spec: OpSpec, case: CaseSpec, reals: list[Reals | None]) -> tuple[Reals, ...]:
    tensors = [
        None if real is None else torch.from_numpy(np.ascontiguousarray(real))
        for port, real in zip(case.ports, reals, strict=True)
        if port.role is not PortRole.OUTPUT
    ]
    results = EXPECTED[spec.op](tensors, case)
    return tuple(result.to(torch.float64).numpy() for result in results)
