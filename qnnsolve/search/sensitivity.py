"""How much noise each encoding at each site makes at the outputs: a forward and K backward passes per sample.

For a random direction u over the outputs, the gradient of u . y at a site times what rounding changes there is the
change of u . y, to first order. Its mean square over random directions is the noise power at the outputs. The noise
powers of sites add up. Each output counts by its weight over its own power, so that the sum is a relative noise power:
the SQNR is -10 log10 of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import torch
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.search.keeping import Ledger, Memory
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.seeing import Seeing, States

__all__ = ["DIRECTIONS", "Sensitivities", "Wanted", "reference", "sensitivities"]

DIRECTIONS = 8
"""Backward passes per sample."""
_CACHED = 2**30
"""Bytes of rounding errors that are kept from one backward pass to the next; those beyond are computed again."""

_ORTHOGONAL = 4096
"""Among more numbers than these, Gaussian directions are as good as orthogonal already."""

Sample = tuple[Any, ...]
Key = tuple[Site, Encoding]


@attrs.frozen(eq=False)
class Wanted:
    """The float model's outputs over the samples: the mean power of each, and what it counts."""

    power: Mapping[str, float]
    """Sum of squares per sample, by output."""
    weights: Mapping[str, float]
    outputs: tuple[Mapping[str, torch.Tensor], ...]
    """By sample."""

    @property
    def counting(self) -> tuple[str, ...]:
        """The outputs that have a weight and a power."""
        return tuple(name for name, power in self.power.items() if power > 0 and self.weights.get(name, 1.0) > 0)

    def share(self, name: str) -> float:
        """What a squared error of an output counts."""
        total = sum(self.weights.get(each, 1.0) for each in self.counting)
        return self.weights.get(name, 1.0) / total / self.power[name]

    def noise(self, index: int, outputs: Mapping[str, torch.Tensor]) -> float:
        """The relative noise power of ``outputs`` for sample ``index``; its mean over the samples is the model's."""
        found = 0.0
        for name in self.counting:
            wanted = self.outputs[index][name].double()
            found += self.share(name) * float((outputs[name].double() - wanted).square().sum())
        return found if math.isfinite(found) else math.inf


def reference(model: GraphModule, samples: Sequence[Sample], weights: Mapping[str, float]) -> Wanted:
    """What the float ``model`` returns for ``samples``; outputs without a weight in ``weights`` have 1."""
    states = States(model)
    runner = Seeing(model, (), lambda _, x: x)
    with torch.no_grad():
        found = [{name: value.detach().clone() for name, value in runner.outputs(sample).items()} for sample in samples]
        states.restore()
    power = {
        name: sum(float(each[name].double().square().sum()) for each in found) / len(found)
        for name in found[0]
        if all(bool(each[name].isfinite().all()) for each in found)
    }
    return Wanted(power, dict(weights), tuple(found))


@attrs.frozen(eq=False)
class Sensitivities:
    """The relative noise power of each encoding at each site.

    ``blind`` are the sites that no gradient reaches, or only one of zeros, though they can matter (an index, a
    comparison, a rounding lies behind them): what stands for them here is zero.
    """

    noise: Mapping[Key, float]
    blind: tuple[Site, ...]
    forwards: int
    backwards: int
    """Passes that were run now."""


def sensitivities(
    model: GraphModule,
    samples: Sequence[Sample],
    wanted: Wanted,
    roundings: Mapping[Key, Rounding],
    *,
    directions: int = DIRECTIONS,
    stages: Stages | None = None,
    ledger: Ledger | None = None,
) -> Sensitivities:
    """The noise of each of ``roundings`` at the outputs of ``model``, in all ``samples``.

    Each sample is kept in ``ledger`` when it is done; those that are there already are not run again.
    """
    stages, ledger = stages or Stages(), ledger or Memory()
    taps, states = _Taps.of(model, roundings), States(model)
    runner = Seeing(model, taps.sites, taps.see)
    stateful = any(getattr(getattr(node.target, "_schema", None), "is_mutable", False) for node in model.graph.nodes)
    forwards = backwards = 0
    with stages("sensitivities", len(samples)):
        for index, sample in enumerate(samples):
            stages.step("sensitivities", index, len(samples))
            record = ledger.get("sensitivity", str(index))
            if record is None:
                record = _of_sample(runner, taps, sample, wanted, directions, index)
                ledger.put("sensitivity", str(index), record)
                forwards, backwards = forwards + 1, backwards + record["backwards"]
            elif stateful:
                with torch.no_grad():
                    runner.outputs(sample)  # what it writes to the states, the next sample reads
            taps.add(record)
    states.restore()
    return Sensitivities(taps.noise(len(samples)), taps.blind, forwards, backwards)


def _of_sample(
    runner: Seeing, taps: _Taps, sample: Sample, wanted: Wanted, directions: int, index: int
) -> dict[str, Any]:
    with torch.enable_grad():
        outputs = runner.outputs(sample)
    reached = [name for name in wanted.counting if outputs[name].requires_grad]
    ends = [outputs[name] for name in reached]
    aims = _directions([end.numel() for end in ends], directions, index)
    for k, aim in enumerate(aims):
        at = [
            part.view(end.shape) * math.sqrt(wanted.share(name) / len(aims))
            for name, end, part in zip(reached, ends, aim, strict=True)
        ]
        torch.autograd.backward(ends, at, retain_graph=k + 1 < len(aims))
        taps.end_direction()
    return {**taps.end_sample(), "backwards": len(aims)}


def _directions(sizes: Sequence[int], count: int, seed: int) -> list[tuple[torch.Tensor, ...]]:
    """``count`` random directions over outputs of these sizes, with a mean square of 1.

    They are orthogonal to one another where that tells more. Outputs with no more numbers than ``count`` get one
    direction per number: then nothing is left to chance.
    """
    total = sum(sizes)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(total, min(count, total), generator=generator)
    if 0 < total <= _ORTHOGONAL:
        drawn = torch.linalg.qr(drawn).Q * math.sqrt(total)
    return [tuple(column.split(list(sizes))) for column in drawn.T]


@attrs.define(eq=False)
class _Tap:
    """A tensor that several sites may share, and the different roundings of it."""

    roundings: list[Rounding] = attrs.field(factory=list)
    now: list[float] = attrs.field(factory=list)
    """Of this direction."""
    sample: list[float] = attrs.field(factory=list)
    """Squares, summed over the directions of this sample."""
    squares: list[float] = attrs.field(factory=list)
    """Over all samples."""
    seen: bool = False
    """Whether a gradient came in this sample."""
    reached: bool = False

    def place(self, rounding: Rounding) -> int:
        for index, known in enumerate(self.roundings):
            if known is rounding or known.same_steps(rounding):
                return index
        self.roundings.append(rounding)
        for sums in (self.now, self.sample, self.squares):
            sums.append(0.0)
        return len(self.roundings) - 1


class _Taps:
    """The tensors that are looked at, and what was seen."""

    def __init__(self) -> None:
        self._taps: dict[Site, _Tap] = {}
        self._places: dict[Key, tuple[Site, int]] = {}
        self._derived: dict[Key, tuple[Key, float]] = {}
        self._errors: dict[tuple[Site, int], torch.Tensor] = {}
        self._bytes = 0

    @classmethod
    def of(cls, model: GraphModule, roundings: Mapping[Key, Rounding]) -> _Taps:
        """One tap per tensor: an edge from a node that nobody else reads is the node's output."""
        found = cls()
        alone = {node.name for node in model.graph.nodes if len(node.users) == 1 and node.op != "get_attr"}
        for (site, encoding), rounding in roundings.items():
            narrow = _narrow(site, encoding, roundings)
            if narrow is not None:
                ratio = (rounding.step / roundings[narrow].step) ** 2
                found._derived[site, encoding] = (narrow, ratio)
                continue
            at = Site(site.node) if site.user and site.node in alone else site
            tap = found._taps.setdefault(at, _Tap())
            found._places[site, encoding] = (at, tap.place(rounding))
        return found

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(self._taps)

    def see(self, site: Site, x: torch.Tensor) -> torch.Tensor:
        """A tensor at ``site``: hand it on with an eye on its gradient."""
        seen = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
        seen.register_hook(partial(self._gradient, site, seen.detach()))  # type: ignore[no-untyped-call]
        return seen

    def _gradient(self, site: Site, x: torch.Tensor, gradient: torch.Tensor) -> None:
        tap = self._taps[site]
        flat = gradient.detach().reshape(-1)
        tap.seen = tap.seen or bool(flat.any())
        for index, rounding in enumerate(tap.roundings):
            tap.now[index] += float(torch.dot(flat, self._error(site, index, rounding, x)))

    def _error(self, site: Site, index: int, rounding: Rounding, x: torch.Tensor) -> torch.Tensor:
        known = self._errors.get((site, index))
        if known is None:
            known = rounding.error(x).reshape(-1)
            if self._bytes < _CACHED:
                self._errors[site, index] = known
                self._bytes += known.numel() * known.element_size()
        return known

    def end_direction(self) -> None:
        for tap in self._taps.values():
            for index, value in enumerate(tap.now):
                tap.sample[index] += value * value
                tap.now[index] = 0.0

    def end_sample(self) -> dict[str, Any]:
        """What the sample showed; the next one begins."""
        self._errors.clear()
        self._bytes = 0
        record = {
            "squares": [tap.sample[:] for tap in self._taps.values()],
            "reached": [tap.seen for tap in self._taps.values()],
        }
        for tap in self._taps.values():
            tap.sample[:] = [0.0] * len(tap.sample)
            tap.seen = False
        return record

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a sample."""
        for tap, squares, reached in zip(self._taps.values(), record["squares"], record["reached"], strict=True):
            tap.squares[:] = [old + new for old, new in zip(tap.squares, squares, strict=True)]
            tap.reached = tap.reached or reached

    def noise(self, count: int) -> dict[Key, float]:
        found = {key: self._taps[at].squares[index] / max(count, 1) for key, (at, index) in self._places.items()}
        for key, (narrow, ratio) in self._derived.items():
            found[key] = found[narrow] * ratio
        return found

    @property
    def blind(self) -> tuple[Site, ...]:
        found = {site for (site, _), (at, _) in self._places.items() if not self._taps[at].reached}
        return tuple(sorted(found))


def _narrow(site: Site, encoding: Encoding, roundings: Mapping[Key, Rounding]) -> Key | None:
    """The 8-bit encoding from whose noise that of a 16-bit one follows, by the square of their steps."""
    if encoding.bits != 16 or encoding.scale is not None:
        return None
    for key in roundings:
        if key[0] == site and key[1].bits == 8 and key[1].scale is None and key[1].ch_axis == encoding.ch_axis:
            return key
    return None
