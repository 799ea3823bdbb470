"""What calibration showed that a user should know: :class:`Watch`, kept by the quantizer from ``prepare_pt2e`` on.

Who calls ``convert_pt2e`` reads no report: it warns there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import attrs
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.checked import SampleCheck, check_samples
from qnnsolve.annotating.foreseen import foreseen
from qnnsolve.annotating.joined import JoinedOutput, join_records, record_at, watch_joins
from qnnsolve.annotating.observers import TensorObserver
from qnnsolve.annotating.recording import Recorder
from qnnsolve.report.accuracy import poor_converted_lines
from qnnsolve.report.calibration import calibration_lines
from qnnsolve.results import CalibrationRecord, InfiniteValues, Outlier
from qnnsolve.rewriting.masking import masking
from qnnsolve.rewriting.nodes import op_name

__all__ = ["Watch", "watch"]

BEYOND = 1000.0
"""A range that one sample widens so many times leaves the others less than a step in a thousand."""


@attrs.frozen(eq=False)
class Watch:
    """What is watched in a prepared model: its joins, its inputs and which of them are masks, and the observer of
    each node."""

    joins: tuple[JoinedOutput, ...]
    inputs: Mapping[str, Recorder]
    masks: frozenset[str]
    observers: Mapping[str, TensorObserver]

    def record(self) -> CalibrationRecord | None:
        """What the samples so far have shown; None where there were none."""
        if not any(recorder.peaks for recorder in self._recorders()):
            return None
        infinite: dict[int, InfiniteValues] = {}
        for name, observer in self.observers.items():
            if int(observer.infinite):
                infinite.setdefault(id(observer), InfiniteValues(name, int(observer.infinite)))
        return CalibrationRecord(
            joined=tuple(join_records(self.joins)),
            outliers=tuple(_outliers({k: v for k, v in self.inputs.items() if k not in self.masks})),
            infinite=tuple(infinite.values()),
        )

    def _recorders(self) -> Iterator[Recorder]:
        yield from self.inputs.values()
        yield from (recorder for join in self.joins for _, recorder in join.parts)


def watch(model: GraphModule, observers: MutableMapping[Any, Any], told: str | None = None) -> Watch:
    """Put recorders before the observers of ``model``'s inputs and of what its joins read.

    ``observers`` are torchao's, by node (its output) or by edge (producer, user). Samples that hold NaN, or infinity
    where the input is no mask, are refused (:mod:`~qnnsolve.annotating.checked`). With ``told``, a precision,
    ``convert_pt2e`` warns of what was seen, and of outputs that are poor.
    """
    named = {
        place.name: observer
        for place, observer in observers.items()
        if isinstance(place, FxNode) and place.op != "placeholder" and isinstance(observer, TensorObserver)
    }
    joins = watch_joins(model, observers)
    found = masking(model)
    check = check_samples(model, observers, found.hidden)
    inputs = {}
    for node in model.graph.nodes:
        casts = (user for user in node.users if op_name(user) == "to" and user in observers)
        seen = node if node in observers else next(casts, None)
        if node.op == "placeholder" and seen is not None:
            inputs[node.name] = record_at(seen, None, observers)
    masks = frozenset(node.name for node in found.hidden)
    watched = Watch(joins, inputs, masks, named)
    if check is not None and told is not None:
        check.told = _Teller(watched, told)
    return watched


@attrs.frozen(eq=False)
class _Teller:
    watched: Watch
    precision: str

    def __call__(self, prepared: GraphModule, check: SampleCheck) -> None:
        lines = [*poor_converted_lines(foreseen(prepared, check.kept), self.precision, check.samples)]
        lines += calibration_lines(self.watched.record())
        said = "\n".join(line.text for line in lines if line.text)
        if said:
            warnings.warn(said, stacklevel=_CONVERTING)


_CONVERTING = 8
"""Frames from there to the call of ``convert_pt2e`` (torchao 0.18)."""


def _outliers(inputs: Mapping[str, Recorder]) -> Iterator[Outlier]:
    """Samples with a value a thousand times beyond those of the others, or of its own where it is the only sample."""
    for name, recorder in inputs.items():
        for sample, peak in enumerate(recorder.peaks):
            others = [each for index, each in enumerate(recorder.peaks) if index != sample] or [recorder.seconds[0]]
            if 0.0 < max(others) < peak / BEYOND:
                yield Outlier(name, sample, peak, max(others))
