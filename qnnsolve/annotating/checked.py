"""Calibration samples that no range can be taken from: :class:`SampleCheck` refuses them, and keeps the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs
import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e import ObserverBase

from qnnsolve.errors import UsageError
from qnnsolve.rewriting.floats import is_cast

__all__ = ["SampleCheck", "check_samples"]

_NAME = "_samples_fn"


@attrs.frozen
class _Input:
    """What a float input may hold. ``observed``: no infinity, but for minus (a ``sign`` of 1) or plus infinity (-1)
    where it is a mask."""

    name: str
    observed: bool
    sign: int

    def refused(self, x: torch.Tensor) -> str | None:
        """What ``x`` holds that it may not, and why; or None."""
        if bool(x.isnan().any()):
            return "holds NaN"
        endless = x.isinf()
        if self.observed and bool((endless & (x * self.sign >= 0) if self.sign else endless).any()):
            why = "a mask there has the other sign" if self.sign else "no softmax or the like hides it"
            return f"holds infinity, and {why}"
        return None


_KEPT_SAMPLES = 2


class SampleCheck(ObserverBase):  # type: ignore[misc]  # torchao ships no types
    """Looks at the float inputs of each sample. An observer, so that ``convert_pt2e`` takes it out."""

    _is_impure = True
    """Tells torch that a call of it is no dead code, though nobody reads its result."""

    def __init__(self, inputs: tuple[_Input | None, ...]) -> None:
        super().__init__(dtype=torch.float32)
        self.inputs = inputs
        self.samples = 0
        self.kept: list[tuple[Any, ...]] = []
        """The first samples, where :attr:`told` needs them."""
        self.told: Callable[[GraphModule, SampleCheck], None] | None = None
        """What is called as ``convert_pt2e`` begins, with the prepared graph."""

    def forward(self, *values: Any) -> Any:
        """Return the first of ``values``.

        Raises:
            UsageError: one holds NaN, or infinity that no mask writes; names sample and input.
        """
        sample, self.samples = self.samples, self.samples + 1
        for each, value in zip(self.inputs, values, strict=True):
            if each is not None and (why := each.refused(value)) is not None:
                raise UsageError(f"calibration sample {sample}, input '{each.name}': {why}")
        if self.told is not None and len(self.kept) < _KEPT_SAMPLES:
            self.kept.append(pytree.tree_map_only(torch.Tensor, lambda x: x.detach().clone(), values))
        return values[0]

    def calculate_qparams(self) -> None:
        """There is no encoding."""

    def convert(self, model: GraphModule, node: FxNode) -> None:
        """Called by ``convert_pt2e`` in place of its own conversion (torchao 0.18): take ``node`` out of ``model``."""
        if self.told is not None and self.kept:
            self.told(model, self)
        model.graph.erase_node(node)


def check_samples(model: GraphModule, observers: Collection[Any], hidden: Mapping[FxNode, int]) -> SampleCheck | None:
    """Check every float input of ``model`` while it is calibrated. Returns what does, None where there are no inputs.

    ``observers``: where torchao observes, nodes and edges (producer, user). ``hidden``: the sign of each mask.
    """
    observed = {place[0] if isinstance(place, tuple) else place for place in observers}
    inputs = [node for node in model.graph.nodes if node.op == "placeholder"]
    if not inputs:
        return None
    check = SampleCheck(
        tuple(
            _Input(node.name, not observed.isdisjoint(_read(node)), hidden.get(node, 0)) if _is_float(node) else None
            for node in inputs
        )
    )
    model.add_module(_NAME, check)
    with model.graph.inserting_after(inputs[-1]):
        model.graph.call_module(_NAME, tuple(inputs))
    return check


def _is_float(node: FxNode) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _read(node: FxNode) -> Iterator[FxNode]:
    """``node``, and what casts it to another dtype."""
    yield node
    yield from filter(is_cast, node.users)
