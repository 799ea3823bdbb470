"""Integers that a model returns straight out of a tuple (:func:`cast_returned`): parts of a split, values of a topk.

ExecuTorch (1.5.1, ``i64_to_i32.py``) makes 64-bit integers 32 bits wide, and casts what is returned back. It does not
do so for ops with several outputs, where it gives up with an error.
"""

from __future__ import annotations

import operator

import torch
from torch.fx import GraphModule

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["cast_returned"]

aten = torch.ops.aten


def cast_returned(model: GraphModule) -> GraphModule:
    """Cast, in place, each such 64-bit output to 32 bits and back, so that it is a tensor of its own."""
    output = model.graph.output_node()
    for node in output.all_input_nodes:
        if node.target is operator.getitem and node.meta["val"].dtype == torch.int64:
            emit = Emitter(output)
            narrow = emit(aten.to.dtype, node, torch.int32)
            output.replace_input_with(node, emit(aten.to.dtype, narrow, torch.int64))
    model.recompile()
    return model
