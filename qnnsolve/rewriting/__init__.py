"""Rewrite a graph, before it is annotated, into one whose every tensor can have an encoding that lowering keeps.

Each module is one step, and exact in float. First, in this order, `opening` takes off what ``torch.export`` wraps a
graph in, `given` the quantization that it came with, and `fixing` what varies. Then come the steps of :func:`prepared`,
then ExecuTorch's own passes, then the steps of :func:`completed`. The two tuples of steps below say why each is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import GraphModule

from qnnsolve.rewriting.aliases import first_names
from qnnsolve.rewriting.batches import add_batches
from qnnsolve.rewriting.beside import part_from_sigmoids
from qnnsolve.rewriting.clips import part_clips
from qnnsolve.rewriting.composites import expand_composites
from qnnsolve.rewriting.constants import fold_constants
from qnnsolve.rewriting.infinities import bound_infinities
from qnnsolve.rewriting.leading import move_leading
from qnnsolve.rewriting.mask_copies import copy_masks
from qnnsolve.rewriting.norms import flatten_norms
from qnnsolve.rewriting.outer import spread_factors
from qnnsolve.rewriting.permuting import drop_idle
from qnnsolve.rewriting.ranks import lower_ranks
from qnnsolve.rewriting.recurrent import UNROLL_LIMIT, unroll
from qnnsolve.rewriting.replacements import replace
from qnnsolve.rewriting.returned import cast_returned, widen_returned
from qnnsolve.rewriting.tiles import move_tiles
from qnnsolve.rewriting.writes import spell_out_writes

__all__ = ["UNROLL_LIMIT", "completed", "prepared"]

Step = Callable[[GraphModule], GraphModule]


def _before_passes(unroll_limit: int, trained: bool, past_the_end: bool) -> tuple[Step, ...]:
    return (
        spell_out_writes,  # nothing below sees that a write in place changes what others read
        first_names,  # tables, passes and builders know each op by one name
        lambda model: unroll(model, unroll_limit),  # the accelerator has no recurrent layers, but all ops of one step
        flatten_norms,  # it normalizes over one dimension only
        add_batches,  # its ops on images need a batch
        expand_composites,  # ExecuTorch takes these apart after annotation: the parts would have no encoding
        lambda model: fold_constants(model, trained),  # what no input decides is no op to run; such are made above
        lower_ranks,  # the accelerator takes five dimensions at most
        replace,  # what ExecuTorch never builds, builds wrongly or takes apart
        lambda model: part_clips(model, past_the_end),  # the compiler folds these and loses their bounds
        part_from_sigmoids,  # no convert is inserted behind one, and what is copied beside others needs theirs
        cast_returned,  # ExecuTorch casts 64-bit integers back for single tensors only, not for parts of a tuple
        widen_returned,  # that cast is a delegate of its own behind a division on the CPU
    )


def _after_passes(half: bool, trained: bool) -> tuple[Step, ...]:
    return (
        drop_idle,  # ExecuTorch's passes permute vectors, which the accelerator does not ...
        lambda model: fold_constants(model, trained),  # ... make constants ...
        lower_ranks,  # ... and tensors of more than five dimensions
        lambda model: fold_constants(model, trained),  # both of which leaves constants to fold
        spread_factors,  # products that broadcast both of their factors come out wrong
        move_tiles,  # sums of tensors that are tiled along the last dimension come out wrong
        move_leading,  # putting a dimension of size one in front costs 8-bit values a step
        copy_masks,  # scores and what a mask writes over them need two ranges
        lambda model: bound_infinities(model, half),  # minus infinity has no encoding
    )


def prepared(
    model: GraphModule, unroll_limit: int = UNROLL_LIMIT, trained: bool = False, past_the_end: bool = False
) -> GraphModule:
    """``model`` itself, rewritten up to ExecuTorch's passes. It is :func:`~qnnsolve.rewriting.opening.opened`.

    What is computed from parameters stays where those are to be ``trained``. ``past_the_end``: the chip's ranges reach
    past the end that is declared (:mod:`~qnnsolve.rewriting.clips`).

    Raises:
        UnsupportedGraphError: what a step cannot follow (see each).
    """
    return _through(_before_passes(unroll_limit, trained, past_the_end), model)


def completed(model: GraphModule, half: bool = False, trained: bool = False) -> GraphModule:
    """``model`` itself, rewritten once ExecuTorch's passes are through with what :func:`prepared` made of it.

    With ``half``, activations stay in half precision.
    """
    return _through(_after_passes(half, trained), model)


def _through(steps: tuple[Step, ...], model: GraphModule) -> GraphModule:
    for step in steps:
        model = step(model)
    return model
