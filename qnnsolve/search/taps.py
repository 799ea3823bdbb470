"""Eyes on the gradients that pass tensors, and what rounding each tensor would change: :class:`Taps`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import torch
from torch.fx import GraphModule

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.shelf import Packed, Shelf

__all__ = ["Taps"]

_CACHED = 2**30
"""Bytes of rounding errors that are kept from one backward pass to the next; those beyond are computed again."""

Key = tuple[Site, Encoding]


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


class Taps:
    """The tensors that are looked at, and what was seen: per sample, and over all that were added."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._taps: dict[Site, _Tap] = {}
        self._places: dict[Key, tuple[Site, int]] = {}
        self.noises: list[float] = []
        """Of each sample that was added, that of all tensors in the encoding that makes most there."""
        self._errors: dict[tuple[Site, int], torch.Tensor] = {}
        self._bytes = 0

    @classmethod
    def of(cls, model: GraphModule, roundings: Mapping[Key, Rounding], shelf: Shelf) -> Taps:
        """One tap per tensor: an edge from a node that nobody else reads is the node's output."""
        found = cls(shelf)
        alone = {node.name for node in model.graph.nodes if len(node.users) == 1 and node.op != "get_attr"}
        for (site, encoding), rounding in roundings.items():
            at = Site(site.node) if site.user and site.node in alone else site
            tap = found._taps.setdefault(at, _Tap())
            found._places[site, encoding] = (at, tap.place(rounding))
        return found

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where the tensors are."""
        return tuple(self._taps)

    def see(self, site: Site, x: torch.Tensor) -> torch.Tensor:
        """A tensor at ``site``: hand it on with an eye on its gradient."""
        seen = x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
        seen.register_hook(partial(self._gradient, site, self._shelf.put(seen.detach())))  # type: ignore[no-untyped-call]
        return seen

    def _gradient(self, site: Site, packed: Packed, gradient: torch.Tensor) -> None:
        tap, x = self._taps[site], None
        flat = gradient.detach().reshape(-1)
        tap.seen = tap.seen or bool(flat.any())
        for index, rounding in enumerate(tap.roundings):
            known = self._errors.get((site, index))
            if known is None:
                x = self._shelf.take(packed) if x is None else x
                known = self._kept(site, index, rounding.error(x).reshape(-1))
            tap.now[index] += float(torch.dot(flat, known))

    def _kept(self, site: Site, index: int, error: torch.Tensor) -> torch.Tensor:
        if self._bytes < _CACHED:
            self._errors[site, index] = error
            self._bytes += error.numel() * error.element_size()
        return error

    def end_direction(self) -> None:
        """Square what the direction summed up to; the next one begins."""
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
        self.noises.append(sum(max(squares, default=0.0) for squares in record["squares"]))
        for tap, squares, reached in zip(self._taps.values(), record["squares"], record["reached"], strict=True):
            tap.squares[:] = [old + new for old, new in zip(tap.squares, squares, strict=True)]
            tap.reached = tap.reached or reached

    def noise(self) -> dict[Key, float]:
        """The mean noise over all samples that were added, by site and encoding."""
        count = max(len(self.noises), 1)
        return {key: self._taps[at].squares[index] / count for key, (at, index) in self._places.items()}

    @property
    def blind(self) -> tuple[Site, ...]:
        """Sites that no gradient reached in any sample, or one of zeros alone."""
        found = {site for (site, _), (at, _) in self._places.items() if not self._taps[at].reached}
        return tuple(sorted(found))
