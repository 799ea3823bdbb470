"""The values of one tensor in calibration, kept apart from those of others that share its encoding:
:class:`Recorder`."""

from __future__ import annotations

from typing import Any

import torch

from qnnsolve.annotating.observers import Unobserved

__all__ = ["Recorder"]


class Recorder(Unobserved):
    """Hands values on to ``observer``, and keeps some of them. Where several tensors share an observer, each has a
    recorder."""

    def __init__(self, observer: Any) -> None:
        super().__init__(observer)
        self.peaks: list[float] = []
        """The largest magnitude, per sample."""
        self.seconds: list[float] = []
        """The largest of the others, per sample; 0 where there are few."""
        self._kept: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Record ``x``, let it be observed, and return it."""
        found = x.detach().flatten()
        found = found[found.isfinite()]
        largest = found.abs().topk(min(2, found.numel())).values.tolist()
        self.peaks.append(largest[0] if largest else 0.0)
        self.seconds.append(largest[1] if found.numel() >= _MANY else 0.0)
        if len(self._kept) < _KEPT_SAMPLES:
            self._kept.append(found[:: max(1, found.numel() // _KEPT_VALUES)].clone())
        self.observer(x)
        return x

    def values(self) -> torch.Tensor:
        """Values of the first samples, evenly spaced, finite; one zero where there are none."""
        kept = torch.cat([each.float() for each in self._kept] or [torch.zeros(1)])
        return kept if kept.numel() else torch.zeros(1)


_MANY = 64
"""Among so many values one alone can be told from the rest."""
_KEPT_SAMPLES, _KEPT_VALUES = 16, 2048
