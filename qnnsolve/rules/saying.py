"""What a wish says of a port, thing by thing, and whether an encoding keeps it."""

from __future__ import annotations

import attrs

from qnnsolve.encodings import FLOAT, Encoding, QScheme
from qnnsolve.rules.request import Granularity, Role
from qnnsolve.rules.wishes import What

__all__ = ["IN_CALIBRATION", "THINGS", "contradicts", "field_of", "is_signed", "keeps", "says"]

THINGS = ("activation", "block_size", "encoding", "granularity", "symmetric", "weight")
"""Of which a port can have one or another."""
IN_CALIBRATION = ("eps", "observer", "weight_observer")
"""What counts wherever a port is quantized, whatever its encoding."""


def field_of(what: What, field: str, role: Role) -> object:
    """What is said of a thing, where a port of that role has it."""
    of_weights = role is Role.WEIGHT
    if role in (Role.BIAS, Role.NORM) and field != "encoding":
        return None
    if field in ("weight", "granularity", "block_size", "weight_observer") and not of_weights:
        return None
    if field in ("activation", "symmetric", "observer") and of_weights:
        return None
    return getattr(what, field)


def says(what: What, role: Role) -> bool:
    """Whether anything is said of the encoding of a port with that role."""
    return any(field_of(what, field, role) is not None for field in THINGS)


def is_signed(encoding: Encoding) -> bool:
    """Whether its integers are below zero, too."""
    return not encoding.dtype.value.startswith("u")


_SCHEMES = {
    Granularity.TENSOR: QScheme.PER_TENSOR_SYMMETRIC,
    Granularity.CHANNEL: QScheme.PER_CHANNEL_SYMMETRIC,
    Granularity.BLOCK: QScheme.PER_BLOCK_SYMMETRIC,
}


def keeps(encoding: Encoding, field: str, what: What) -> bool:
    """Whether ``encoding`` is what is asked of one thing."""
    match field:
        case "encoding":
            return encoding == what.encoding
        case "activation":
            return encoding != FLOAT and encoding.bits == (what.activation or 16)
        case "weight":
            return encoding != FLOAT and encoding.bits == what.weight
        case "granularity":
            return what.granularity is not None and encoding.qscheme is _SCHEMES[what.granularity]
        case "eps" | "observer" | "weight_observer":
            return encoding.quantized
        case "symmetric":
            return encoding.qscheme.is_symmetric == what.symmetric
        case _:
            return encoding.qscheme is QScheme.PER_BLOCK_SYMMETRIC


def contradicts(earlier: What, later: What) -> bool:
    """Whether the two say different things of one thing."""
    pairs = zip(attrs.astuple(earlier, recurse=False), attrs.astuple(later, recurse=False), strict=True)
    return any(one is not None and other is not None and one != other for one, other in pairs)
