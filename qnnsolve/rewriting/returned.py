"""64-bit integers that a model returns, of which ExecuTorch (1.5.1, ``i64_to_i32.py``) makes 32 bits and casts back.

It does not do so for ops with several outputs, where it gives up with an error. So what comes straight out of a tuple,
parts of a split or values of a topk, is cast here (:func:`cast_returned`).

Its cast goes to the accelerator. Behind an op that stays on the CPU that is a delegate for one cast, besides the one
that casts the inputs. So behind an exact division (:mod:`~qnnsolve.rewriting.integers`) come ops that the CPU alone
has, and that yield 64 bits (:func:`widen_returned`): a product over one dimension of size one.
"""

from __future__ import annotations

import operator

import torch
from torch.fx import GraphModule

from qnnsolve.rewriting.emitting import Emitter

__all__ = ["cast_returned", "widen_returned"]

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


def widen_returned(model: GraphModule) -> GraphModule:
    """Let, in place, each exact division that is returned as 64 bits get those on the CPU."""
    output = model.graph.output_node()
    for node in output.all_input_nodes:
        if node.target is aten.divide.Tensor_mode and node.meta["val"].dtype == torch.int64:
            emit = Emitter(output)
            single = emit(aten.unfold.default, node, node.meta["val"].dim() - 1, 1, 1)
            output.replace_input_with(node, emit(aten.prod.dim_int, single, -1, dtype=torch.int64))
    model.recompile()
    return model
