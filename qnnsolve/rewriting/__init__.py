"""Rewrite a graph, before it is annotated, into one whose every tensor can have an encoding that lowering keeps.

Each module is one step and exact in float. First `opening` takes off what ``torch.export`` wraps a graph in, `given`
the quantization that it came with, and `fixing` what varies. In this order, :func:`prepared` takes all but the last
three, then come ExecuTorch's own passes, which write such ops too, and :func:`completed` takes those three, after it
has folded the constants of those passes:

==============  ======================================================================================================
`writes`        writes in place become what they compute, where others see them
`recurrent`     recurrent layers become their steps (`cells`: one step of each)
`norms`         normalizations over several dimensions become such over one
`batches`       ops on images without a batch get one
`composites`    what ExecuTorch would take apart after annotation is spelled out, by torch's own definition of each op
`constants`     what the model's inputs do not decide is computed once
`ranks`         what has more dimensions than the accelerator takes does with fewer (`merging`, `permuting`: how)
`replacements`  what ExecuTorch never builds, builds wrongly or tears up is written otherwise: its poolings in
                `pooling`, sorts in `sorting`, what goes by channel in `channels`, batch and instance norms in
                `channel_norms`, copies of views in `copies`, transposed convolutions in `transposed`, indices in
                `indices` and `indexing`, divisions of integers in `integers`
`returned`      64-bit integers that are returned out of a tuple become tensors of their own
`tiles`         what is repeated along the last dimension is repeated after the arithmetic on it
`leading`       a leading dimension of size one goes where it costs no 8-bit value a step
`infinities`    minus infinity becomes a number, where a softmax hides it
==============  ======================================================================================================
"""

from __future__ import annotations

from torch.fx import GraphModule

from qnnsolve.rewriting.batches import add_batches
from qnnsolve.rewriting.composites import expand_composites
from qnnsolve.rewriting.constants import fold_constants
from qnnsolve.rewriting.infinities import bound_infinities
from qnnsolve.rewriting.leading import move_leading
from qnnsolve.rewriting.norms import flatten_norms
from qnnsolve.rewriting.ranks import lower_ranks
from qnnsolve.rewriting.recurrent import UNROLL_LIMIT, unroll
from qnnsolve.rewriting.replacements import replace
from qnnsolve.rewriting.returned import cast_returned
from qnnsolve.rewriting.tiles import move_tiles
from qnnsolve.rewriting.writes import spell_out_writes

__all__ = ["UNROLL_LIMIT", "completed", "prepared"]


def prepared(model: GraphModule, unroll_limit: int = UNROLL_LIMIT) -> GraphModule:
    """``model`` itself, rewritten. It is :func:`~qnnsolve.rewriting.opening.opened`.

    Raises:
        UnsupportedGraphError: what a step cannot follow (see each).
    """
    stated = unroll(spell_out_writes(model), unroll_limit)
    plain = expand_composites(add_batches(flatten_norms(stated)))
    return cast_returned(replace(lower_ranks(fold_constants(plain))))


def completed(model: GraphModule, half: bool = False) -> GraphModule:
    """``model`` itself, rewritten once ExecuTorch's passes are through with what :func:`prepared` made of it.

    With ``half``, activations stay in half precision.
    """
    return bound_infinities(move_leading(move_tiles(fold_constants(lower_ranks(fold_constants(model))))), half)
