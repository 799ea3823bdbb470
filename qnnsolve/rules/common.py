"""Rules that hold for every backend (codes ``QC``)."""

from __future__ import annotations

from qnnsolve.rules.converting import an_edge_equals_its_producer_or_converts, constants_are_not_read_across_the_border
from qnnsolve.rules.left_out import candidates_fit_the_tensor
from qnnsolve.rules.requested import blocks_divide_the_input_channels, pins_hold, what_was_asked_for
from qnnsolve.rules.rows import one_row_of_the_operator_table
from qnnsolve.rules.sharing import (
    bias_scale_is_derived,
    bits_move_unchanged,
    one_dtype_for_all_parts,
    states_are_read_as_written,
)

__all__ = ["RULES"]


RULES = (
    one_row_of_the_operator_table,
    bits_move_unchanged,
    bias_scale_is_derived,
    an_edge_equals_its_producer_or_converts,
    one_dtype_for_all_parts,
    what_was_asked_for,
    constants_are_not_read_across_the_border,
    blocks_divide_the_input_channels,
    pins_hold,
    candidates_fit_the_tensor,
    states_are_read_as_written,
)
