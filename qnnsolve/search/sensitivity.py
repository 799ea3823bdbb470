"""How much noise each encoding at each site makes at the outputs: a forward and K backward passes per sample.

For a random direction u over the outputs, the gradient of u . y at a site times what rounding changes there is the
change of u . y, to first order. Its mean square over random directions is the noise power at the outputs. The noise
powers of sites add up. Each output counts by its weight over its own power, so that the sum is a relative noise power:
the SQNR is -10 log10 of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import torch
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.foreign import first_line
from qnnsolve.host.stages import Stages
from qnnsolve.search.keeping import Ledger, Memory
from qnnsolve.search.positions import Index
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.sampling import DIRECTIONS, SURE, Chosen, unsure
from qnnsolve.search.seeing import Seeing, States
from qnnsolve.search.shelf import MEMORY, Shelf
from qnnsolve.search.taps import Taps

__all__ = ["FloatOutputs", "Sensitivities", "float_outputs", "reference", "sensitivities"]

_ORTHOGONAL = 4096
"""Among more numbers than these, Gaussian directions are as good as orthogonal already."""

Sample = tuple[Any, ...]
Key = tuple[Site, Encoding]


@attrs.frozen(eq=False)
class FloatOutputs:
    """The float model's outputs over the samples: the mean power of each, and what it counts."""

    power: Mapping[str, float]
    """Sum of squares per sample, by output."""
    weights: Mapping[str, float]
    outputs: tuple[Mapping[str, torch.Tensor], ...]
    """By sample; of an output in ``positions`` that part alone."""
    positions: Mapping[str, Index] = attrs.field(factory=dict)

    def part(self, name: str, output: torch.Tensor) -> torch.Tensor:
        """What counts of an output."""
        return output[self.positions[name]] if name in self.positions else output

    @property
    def counting(self) -> tuple[str, ...]:
        """The outputs that have a weight and a power."""
        return tuple(name for name, power in self.power.items() if power > 0 and self.weights.get(name, 1.0) > 0)

    @property
    def numbers(self) -> int:
        """How many numbers a sample has at the outputs that count."""
        return sum(self.outputs[0][name].numel() for name in self.counting)

    def share(self, name: str) -> float:
        """What a squared error of an output counts."""
        total = sum(self.weights.get(each, 1.0) for each in self.counting)
        return self.weights.get(name, 1.0) / total / self.power[name]

    def noise(self, index: int, outputs: Mapping[str, torch.Tensor]) -> float:
        """The relative noise power of ``outputs`` for sample ``index``; its mean over the samples is the model's."""
        found = 0.0
        for name in self.counting:
            wanted = self.outputs[index][name].double()
            found += self.share(name) * float((self.part(name, outputs[name]).double() - wanted).square().sum())
        return found if math.isfinite(found) else math.inf


def reference(
    model: GraphModule,
    samples: Sequence[Sample],
    weights: Mapping[str, float],
    positions: Mapping[str, Index] | None = None,
) -> FloatOutputs:
    """What the float ``model`` returns for ``samples``; outputs without a weight in ``weights`` have 1, and those
    without ``positions`` count whole.

    Raises:
        UsageError: a weight or positions of an output that there is not, or no output that counts.
    """
    states = States(model)
    runner = Seeing(model, (), lambda _, x: x)
    with torch.no_grad():
        found = [{name: value.detach().clone() for name, value in runner.outputs(sample).items()} for sample in samples]
        states.restore()
    return float_outputs(found, weights, positions)


def float_outputs(
    found: Sequence[Mapping[str, torch.Tensor]],
    weights: Mapping[str, float],
    positions: Mapping[str, Index] | None = None,
) -> FloatOutputs:
    """What counts of what the float model returned per sample; see :func:`reference`."""
    positions = positions or {}
    for asked, what in ((weights, "weight"), (positions, "positions")):
        _refuse_unknown(asked, what, found)
    found = [{name: _part(value, name, positions) for name, value in each.items()} for each in found]
    power = {
        name: sum(float(each[name].double().square().sum()) for each in found) / len(found)
        for name in found[0]
        if all(bool(each[name].isfinite().all()) for each in found)
    }
    wanted = FloatOutputs(power, dict(weights), tuple(found), dict(positions))
    if not wanted.counting:
        raise UsageError("no output counts: each has weight 0, is 0 for every sample, or holds no finite floats")
    return wanted


def _refuse_unknown(asked: Mapping[str, object], what: str, found: Sequence[Mapping[str, torch.Tensor]]) -> None:
    finite = [name for name in found[0] if all(bool(each[name].isfinite().all()) for each in found)]
    unknown = sorted(set(asked) - set(finite))
    if unknown:
        known = ", ".join(finite) or "none"
        raise UsageError(f"{what} of output {unknown[0]}: no such output of finite floats; these are: {known}")


def _part(output: torch.Tensor, name: str, positions: Mapping[str, Index]) -> torch.Tensor:
    if name not in positions:
        return output
    try:
        found = output[positions[name]]
    except IndexError as error:
        shape = tuple(output.shape)
        raise UsageError(f"positions of output {name}: it has the shape {shape}; {first_line(error)}") from error
    if not found.numel():
        raise UsageError(f"positions of output {name}: nothing is there; it has the shape {tuple(output.shape)}")
    return found


@attrs.frozen(eq=False)
class Sensitivities:
    """The relative noise power of each encoding at each site.

    ``blind`` are the sites that no gradient reaches, or only zeros, though they can matter: an index, a comparison or a
    rounding lies behind them. Their noise here is zero.
    """

    noise: Mapping[Key, float]
    blind: tuple[Site, ...]
    forwards: int
    backwards: int
    """Passes that were run now."""
    planned: int
    """Passes where none was run before."""


def sensitivities(
    model: GraphModule,
    samples: Sequence[Sample],
    wanted: FloatOutputs,
    roundings: Mapping[Key, Rounding],
    *,
    directions: int = DIRECTIONS,
    stages: Stages | None = None,
    ledger: Ledger | None = None,
    memory: int = MEMORY,
    chosen: Chosen | None = None,
) -> Sensitivities:
    """The noise of each of ``roundings`` at the outputs of ``model``, in ``samples``, of which ``chosen`` are looked at
    (None: all).

    Each sample is kept in ``ledger`` when it is done; those that are there already are not run again. Of a sample's
    activations ``memory`` bytes are held, and the rest waits in files.
    """
    stages, ledger = stages or Stages(), ledger or Memory()
    states = States(model)
    stateful = any(getattr(getattr(node.target, "_schema", None), "is_mutable", False) for node in model.graph.nodes)
    taken = chosen or Chosen(tuple(range(len(samples))))
    forwards = backwards = planned = 0
    with stages("sensitivities", len(samples)), Shelf.open(model, memory) as shelf:
        taps = Taps.of(model, roundings, shelf)
        runner = Seeing(model, taps.sites, taps.see)
        for indices, count in ((taken.first, directions), (taken.more, max(1, directions // 2))):
            if not indices or (taps.noises and unsure(taps.noises, len(samples), directions, wanted.numbers) <= SURE):
                break
            for index, sample in enumerate(samples):
                stages.step("sensitivities", index, len(samples))
                record = ledger.get("sensitivity", str(index)) if index in indices else None
                if record is None and index in indices:
                    record = _of_sample(runner, taps, shelf, sample, wanted, count, index)
                    ledger.put("sensitivity", str(index), record)
                    forwards, backwards = forwards + 1, backwards + record["backwards"]
                elif stateful:
                    forwards += 1
                    with torch.no_grad():
                        runner.outputs(sample)  # what it writes to the states, the next sample reads
                if record is not None:
                    taps.add(record)
                    planned += 1 + record["backwards"]
            states.restore()
    return Sensitivities(taps.noise(), taps.blind, forwards, backwards, planned)


def _of_sample(
    runner: Seeing, taps: Taps, shelf: Shelf, sample: Sample, wanted: FloatOutputs, directions: int, index: int
) -> dict[str, Any]:
    with torch.enable_grad(), shelf.saving():
        outputs = runner.outputs(sample)
    reached = [name for name in wanted.counting if outputs[name].requires_grad]
    ends = [wanted.part(name, outputs[name]) for name in reached]
    aims = _directions([end.numel() for end in ends], directions, index)
    for k, aim in enumerate(aims):
        at = [
            part.reshape(end.shape) * math.sqrt(wanted.share(name) / len(aims))
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
