"""Quantizers inside torchao's ``ComposableQuantizer``, which ExecuTorch's export recipes wrap around every quantizer.

torchao 0.18 hands the observers to the outermost quantizer alone, and ``ComposableQuantizer`` does nothing with them.
Masks, accumulators and maxima would not be bound, and nobody would see it: :func:`pass_callbacks_on`.

Of several quantizers the earlier count: what one has annotated, the next may not change. ExecuTorch's leaves out
what is annotated; ours takes it as pins in its solve, and leaves the annotations as they were.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.quantizer import ComposableQuantizer, Quantizer
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

__all__ = ["annotated_before", "kept_as_annotated", "pass_callbacks_on"]

_composing: ContextVar[bool] = ContextVar("composing", default=False)


def pass_callbacks_on() -> None:
    """Have ``ComposableQuantizer`` call ``prepare_obs_or_fq_callback`` of each of its quantizers."""
    if ComposableQuantizer.prepare_obs_or_fq_callback is Quantizer.prepare_obs_or_fq_callback:
        ComposableQuantizer.prepare_obs_or_fq_callback = _to_each
        ComposableQuantizer.annotate = _composed(ComposableQuantizer.annotate)


def annotated_before(model: GraphModule) -> dict[FxNode, Any]:
    """By node what an earlier quantizer of a ``ComposableQuantizer`` wrote; nothing outside of one."""
    nodes = model.graph.nodes if _composing.get() else ()
    return {node: node.meta[Q_ANNOTATION_KEY] for node in nodes if Q_ANNOTATION_KEY in node.meta}


@contextmanager
def kept_as_annotated(model: GraphModule) -> Iterator[None]:
    """What an earlier quantizer wrote stands there again at the end."""
    before = annotated_before(model)
    try:
        yield
    finally:
        for node, annotation in before.items():
            node.meta[Q_ANNOTATION_KEY] = annotation


def _composed(annotate: Callable[[Any, GraphModule], GraphModule]) -> Callable[[Any, GraphModule], GraphModule]:
    @functools.wraps(annotate)
    def annotated(self: Any, model: GraphModule) -> GraphModule:
        token = _composing.set(True)
        try:
            return annotate(self, model)
        finally:
            _composing.reset(token)

    return annotated


def _to_each(self: Any, model: GraphModule, edge_or_node_to_obs_or_fq: dict[Any, Any]) -> None:
    for quantizer in self.quantizers:
        quantizer.prepare_obs_or_fq_callback(model, edge_or_node_to_obs_or_fq)
