"""Products that broadcast both factors, with one of them spread out before: :func:`spread_factors`.

The compiler takes a product of two reshapes of tensors of one shape for a reshape of their product, also where the
product broadcasts both: ``x[:, :, None] * y[:, None, :]`` comes out as ``x * y`` and zeros (V68 and V79, 8 and 16 bits;
sums, differences, quotients and maxima are right; HTP emulator, QNN 2.51). Whether it does depends on what stands
elsewhere in the graph. With one factor tiled to the product's shape it is right.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["spread_factors"]

aten = torch.ops.aten


def spread_factors(model: GraphModule) -> GraphModule:
    """Expand the first factor of such products that ops compute, in place; returns ``model``."""
    for node in list(model.graph.nodes):
        if node.target is not aten.mul.Tensor or not node.meta["val"].is_floating_point():
            continue
        factors = [each for each in node.args if isinstance(each, FxNode) and each.op == "call_function"]
        shape = node.meta["val"].shape
        if len(factors) == 2 and all(factor.meta["val"].shape != shape for factor in factors):
            spread = Emitter(node)(aten.expand.default, factors[0], list(shape))
            node.args = (spread, factors[1])
    model.recompile()
    return model
