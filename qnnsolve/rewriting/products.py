"""Products that the accelerator has no op for, as linear layers and sums: :data:`PRODUCTS`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.scalars import reduced

__all__ = ["PRODUCTS"]

aten = torch.ops.aten


def _bilinear(emit: Emitter, node: FxNode) -> FxNode | None:
    """``x W y`` of each output: a linear layer of ``x`` makes all ``[outputs, size of y]``, which weigh ``y``."""
    first: Any = node.args[0]
    second: Any = node.args[1]
    weight: Any = node.args[2]
    outputs, inner, outer = weight.meta["val"].shape
    taps = emit.folded(aten.reshape.default, emit.folded(aten.permute.default, weight, [0, 2, 1]), [-1, inner])
    wide = emit(aten.linear.default, first, taps)
    apart = emit(aten.reshape.default, wide, [*first.meta["val"].shape[:-1], outputs, outer])
    product = emit(aten.mul.Tensor, apart, emit(aten.unsqueeze.default, second, -2))
    made, bias = reduced(emit, aten.sum.dim_IntList, product, [-1]), argument(node, 3, "bias")
    return made if bias is None else emit(aten.add.Tensor, made, bias)


PRODUCTS: Mapping[Any, Replacement] = MappingProxyType({aten.bilinear.default: _bilinear})
"""By aten target, what is written instead."""
