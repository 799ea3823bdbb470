"""What *nearest* means: one table of prices, in one unit.

The solver minimises their sum. The order is what counts, and it holds for whole graphs, not only for single
sites: a node on the CPU costs more than every width in a graph of 50,000 nodes could.

==================  =========================================================================
:data:`CPU`         a node that could run on the accelerator is left on the CPU
:data:`PIN`         a pin that cannot hold is given up, where that is allowed
:data:`NARROW_ACT`  an activation is held at half the bits asked for, per halving
:data:`NARROW_RHS`  the same for the second operand of a matrix product, which ExecuTorch's own
                    quantizer treats as a weight
:data:`NARROW_PAR`  a parameter is held at half the bits asked for, per halving
:data:`WIDEN_ACT`   an activation takes twice the bits asked for, per doubling
:data:`WIDEN_PAR`   a parameter takes twice the bits asked for, per doubling
:data:`GRANULARITY` fewer scales than asked for, per step from blocks to channels to the tensor
:data:`SCHEME`      symmetric for affine, or signed for unsigned, at the same width
:func:`convert`     a requantization on an edge, by tensor size: 1 to 40
==================  =========================================================================
"""

from __future__ import annotations

from qnnsolve.encodings import FLOAT, Encoding, QScheme

__all__ = [
    "CPU",
    "GRANULARITY",
    "NARROW_ACT",
    "NARROW_PAR",
    "NARROW_RHS",
    "PIN",
    "SCHEME",
    "WIDEN_ACT",
    "WIDEN_PAR",
    "convert",
    "deviation",
]

CPU = 2**30
PIN = 2**24
NARROW_ACT = 4096
NARROW_RHS = 3072
NARROW_PAR = 1024
WIDEN_ACT = 512
WIDEN_PAR = 192
GRANULARITY = 64
SCHEME = 48


def convert(numel: int | None) -> int:
    """Price of a requantization of ``numel`` elements (None: unknown, taken as large): its length in bits."""
    return 40 if numel is None else min(40, max(1, numel.bit_length()))


def deviation(requested: Encoding, chosen: Encoding, narrow: int, widen: int) -> int:
    """The price of ``chosen`` at a site where ``requested`` was asked for.

    Not being quantized costs nothing here: the node's own row pays :data:`CPU` for it.
    """
    if chosen in (requested, FLOAT):
        return 0
    cost = 0
    halvings = (requested.bits // chosen.bits).bit_length() - 1
    doublings = (chosen.bits // requested.bits).bit_length() - 1
    cost += narrow * max(halvings, 0) + widen * max(doublings, 0)
    cost += GRANULARITY * max(_granularity(requested) - _granularity(chosen), 0)
    if _scheme(chosen) != _scheme(requested):
        cost += SCHEME
    return max(cost, 1)


def _granularity(encoding: Encoding) -> int:
    order = {QScheme.PER_CHANNEL_SYMMETRIC: 1, QScheme.PER_BLOCK_SYMMETRIC: 2}
    return order.get(encoding.qscheme, 0)


def _scheme(encoding: Encoding) -> tuple[bool, bool]:
    return encoding.qscheme.is_symmetric, encoding.dtype.value.startswith("u")
