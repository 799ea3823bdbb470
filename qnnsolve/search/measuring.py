"""A model under search, ready to be asked: what each config predicts, and what it measures. :class:`Studied`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs
import torch
from torch.fx import GraphModule

from qnnsolve.annotating.given import GivenQuantizer
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.foreign import foreign
from qnnsolve.host.stages import Stages
from qnnsolve.models.locating import CodeRef, resolve
from qnnsolve.search.calibrating import realised
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.seeing import Seeing, States, float_leaves
from qnnsolve.search.sensitivity import FloatOutputs
from qnnsolve.search.spaces import Space, solved_with

__all__ = ["Measured", "Metric", "Studied", "better", "by_metrics", "measured", "metric_of"]

NUMBERS = 2000
"""So many numbers at the outputs tell a noise power to 0.14 dB (a standard deviation, where each has its own error)."""

Sample = tuple[Any, ...]
Metric = Callable[[Callable[..., Any]], float]
"""A task metric: takes a model to call, answers a number."""


def _numbers(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Measured:
    """The relative noise power of a config for each sample, and its task metric where there is one."""

    each: tuple[float, ...] = attrs.field(converter=_numbers)
    metric: float | None = None

    @property
    def noise(self) -> float:
        """The mean over the samples."""
        return sum(self.each) / len(self.each)

    @property
    def record(self) -> list[Any]:
        """What is kept of it: its arguments."""
        return [[*self.each], self.metric]


def better(one: Measured, other: Measured) -> bool:
    """Whether ``one`` measures better: by the task metric where both have one and differ."""
    by_metric = by_metrics(one, other)
    return one.noise < other.noise if by_metric is None else by_metric


def by_metrics(one: Measured, other: Measured) -> bool | None:
    """Whether the task metric of ``one`` is the better; None where there is none, or both have the same."""
    if one.metric is None or other.metric is None or one.metric == other.metric:
        return None
    return one.metric > other.metric


def metric_of(text: str) -> Metric:
    """The function ``module:callable``, or ``file.py:callable``.

    Raises:
        UsageError: there is none.
    """
    module, colon, name = text.rpartition(":")
    if not colon or not module or not name:
        raise UsageError(f"metric {text}: a metric is module:callable")
    return cast(Metric, resolve(CodeRef(text, module, name), "metric"))


def measured(
    converted: GraphModule, samples: Sequence[Sample], wanted: FloatOutputs, metric: Metric | None = None
) -> Measured:
    """What a converted model makes of ``samples``, whose exact outputs are ``wanted``."""
    states, noises = States(converted), list[float]()
    with torch.no_grad():
        for index, sample in enumerate(samples):
            leaves = torch.utils._pytree.tree_leaves(converted(*sample))
            found = float_leaves([leaf for leaf in leaves if leaf is not None])
            noises.append(wanted.noise(index, found))
        states.restore()
    return Measured(tuple(noises), None if metric is None else _metric_of(converted, metric))


def _metric_of(model: Callable[..., Any], metric: Metric) -> float:
    with torch.no_grad(), foreign("the metric failed", UsageError):
        value = float(metric(model))
    if not math.isfinite(value):
        raise UsageError(f"the metric answers {value}, which is no number to compare")
    return value


@attrs.frozen(eq=False)
class Studied:
    """A transformed float ``model``, the space of its configs, and what its outputs are for ``samples``."""

    model: GraphModule
    space: Space
    samples: Sequence[Sample]
    wanted: FloatOutputs
    metric: Metric | None = None

    @property
    def numbers(self) -> int:
        """How many numbers a sample has at the outputs that count."""
        return self.wanted.numbers

    @property
    def enough(self) -> int:
        """How many samples have :data:`NUMBERS` numbers at the outputs that count; all, where these are fewer."""
        return min(len(self.samples), -(-NUMBERS // self.numbers))

    @property
    def spread(self) -> tuple[int, ...]:
        """The numbers of all samples in an order in which the first few of them, however many, lie far apart. A model
        with states gets them as they come."""
        count = len(self.samples)
        if any(True for _ in self.model.buffers()):
            return tuple(range(count))
        bits = max(count - 1, 1).bit_length()
        return tuple(i for i in (int(f"{k:0{bits}b}"[::-1], 2) for k in range(1 << bits)) if i < count)

    def converted(self, config: Mapping[Site, Encoding], stages: Stages | None = None) -> GraphModule:
        """The converted model of ``config``, calibrated over all samples."""
        solution = solved_with(self.space, config)
        quantizer = GivenQuantizer(self.space.facts, self.space.problem, solution)
        return realised(self.model, quantizer, self.samples, stages)

    def measured(self, converted: GraphModule) -> Measured:
        """What a converted model makes of the samples."""
        return measured(converted, self.samples, self.wanted, self.metric)

    def simulated_metric(self, applied: Mapping[Site, Rounding]) -> tuple[float, int]:
        """The task metric where the tensors at these sites are rounded so, and all others are exact; and how often it
        called the model."""
        runner = Seeing(self.model, applied, lambda site, x: applied[site](x))
        states, calls = States(self.model), 0

        def run(*inputs: Any) -> Any:
            nonlocal calls
            calls += 1
            return runner.run(*inputs)

        assert self.metric is not None, "there is one"
        value = _metric_of(run, self.metric)
        with torch.no_grad():
            states.restore()
        return value, calls

    def simulated(self, applied: Mapping[Site, Rounding]) -> float:
        """The noise where the tensors at these sites are rounded, and all others are exact: a forward pass for each
        sample."""
        return sum(self.simulated_each(applied, range(len(self.samples)))) / len(self.samples)

    def simulated_each(self, applied: Mapping[Site, Rounding], chosen: Sequence[int]) -> list[float]:
        """The same noise for each of the samples with these numbers; the states are as they were before the first."""
        runner = Seeing(self.model, applied, lambda site, x: applied[site](x))
        states = States(self.model)
        with torch.no_grad():
            found = [self.wanted.noise(index, runner.outputs(self.samples[index])) for index in chosen]
            states.restore()
        return found
