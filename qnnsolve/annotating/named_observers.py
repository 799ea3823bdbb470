"""Observers that the user picks: by name in a wish, as torchao's classes here, with what the chip needs added."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs
import torchao.quantization.pt2e as torchao_observers
from executorch.backends.qualcomm.quantizer.observers import per_channel_param_observer as executorch_observers
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import (
    PerBlockParamFakeQuantize,
    PerBlockParamObserver,
)
from executorch.backends.qualcomm.utils.constants import DEFAULT_EPS_8BIT, DEFAULT_EPS_16BIT, QCOM_BLOCK_SIZE
from torchao.quantization.pt2e import (
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from qnnsolve.annotating.observers import Bounded
from qnnsolve.annotating.scales import Scaled
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.rules.wishes import OF_SCRIPT

__all__ = ["NamedObservers", "least_scale", "observing"]

_DEFAULTS: Mapping[bool, frozenset[type]] = MappingProxyType(
    {
        False: frozenset({MovingAverageMinMaxObserver}),
        True: frozenset(
            {
                MinMaxObserver,
                MovingAverageMinMaxObserver,
                MovingAveragePerChannelMinMaxObserver,
                PerBlockParamFakeQuantize,
                PerBlockParamObserver,
                executorch_observers.PerChannelParamObserver,
            }
        ),
    }
)
"""What ExecuTorch's presets have (1.5.1), for activations and for weights; a spec with one of these, and no setting of
it but the least scale and the blocks, picks none."""
_NO_PICK = frozenset({"eps", QCOM_BLOCK_SIZE, "dtype", "quant_min", "quant_max", "qscheme", "ch_axis"})
"""What an observer is given without being another one: the spec says the same, or another wish does."""


@attrs.define(eq=False)
class NamedObservers:
    """The observers that wishes name. Those of a script get the name of their class, with a number where two differ."""

    _factories: dict[str, Any] = attrs.field(factory=dict)

    def name_of(self, spec: QuantizationSpec | None, *, weight: bool) -> str | None:
        """The name of a spec's observer; None where it is the preset's own."""
        factory = None if spec is None else spec.observer_or_fake_quant_ctr
        if factory is None:
            return None
        kind, given = _taken_apart(factory)
        if not isinstance(kind, type) or (kind in _DEFAULTS[weight] and not set(given) - _NO_PICK):
            return None
        public = not set(given) - _NO_PICK and _public(kind.__name__) is kind
        name, number = kind.__name__ if public else f"{kind.__name__}{OF_SCRIPT}", 1
        while name in self._factories and _taken_apart(self._factories[name]) != (kind, given):
            number += 1
            name = f"{kind.__name__} {number}{OF_SCRIPT}"
        self._factories[name] = factory
        return name

    def factory(self, name: str, *, bounded: bool, **settings: Any) -> Any:
        """What makes the observer ``name``, with ``settings`` of ours where it does not set them itself.

        Raises:
            UnknownNameError: there is no such observer; names the nearest.
        """
        kind, given = _taken_apart(self._factories[name] if name in self._factories else _known(name))
        return observing(kind, bounded).with_args(**{**settings, **given})


def least_scale(spec: QuantizationSpec | None) -> float | None:
    """The least scale that a spec asks for, in real units per step; None where it is ExecuTorch's own."""
    factory = None if spec is None else spec.observer_or_fake_quant_ctr
    eps = None if factory is None else _taken_apart(factory)[1].get("eps")
    return None if eps in (None, DEFAULT_EPS_8BIT, DEFAULT_EPS_16BIT) else float(eps)


def _taken_apart(factory: Any) -> tuple[Any, dict[str, Any]]:
    """The class that a factory makes, and the arguments that it gives; factories of factories are joined.

    Of fake quantization it is the observer inside.
    """
    given: dict[str, Any] = {}
    while True:
        partial = getattr(factory, "p", factory)
        if not isinstance(partial, functools.partial):
            return partial, given
        given = {**partial.keywords, **given}
        factory = given.pop("observer", partial.func)


def _public(name: str) -> Any:
    """The observer of torchao's or ExecuTorch's with that name; None where there is none."""
    for module in (torchao_observers, executorch_observers):
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, torchao_observers.UniformQuantizationObserverBase):
            return found
    return None


def _known(name: str) -> Any:
    if (found := _public(name)) is not None:
        return found
    names = {each for module in (torchao_observers, executorch_observers) for each in dir(module)}
    raise UnknownNameError("observer", name, {each for each in names if each.endswith("Observer")})


@functools.cache
def observing(kind: type, bounded: bool) -> Any:
    """The observer class ``kind`` with scales that the chip holds and, if ``bounded``, of the values that count.

    Raises:
        UsageError: it is no observer.
    """
    if not issubclass(kind, torchao_observers.ObserverBase):
        raise UsageError(f"{kind.__name__} is no observer of torchao's")
    mixin = Bounded if bounded else Scaled
    return kind if issubclass(kind, Scaled) else type(kind.__name__, (mixin, kind), {"__doc__": kind.__doc__})
