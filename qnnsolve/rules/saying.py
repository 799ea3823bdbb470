"""What a wish says of a port, thing by thing, and whether an encoding keeps it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.encodings import FLOAT, FP16, Encoding, QScheme
from qnnsolve.rules.request import Granularity, Role
from qnnsolve.rules.wishes import What, Wish

__all__ = ["IN_CALIBRATION", "THINGS", "contradicts", "field_of", "in_order", "is_signed", "keeps", "says"]

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
            return encoding == what.encoding or _unscaled(encoding) == what.encoding
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


def spelled_out(what: What) -> What:
    """``what`` with its exact encoding as widths, granularity and symmetry, each of which a later wish may change."""
    encoding = what.encoding
    if encoding is None or (not encoding.quantized and encoding != FP16):
        return attrs.evolve(what, encoding=None)
    granularity = next((each for each, scheme in _SCHEMES.items() if scheme is encoding.qscheme), None)
    return attrs.evolve(
        what,
        encoding=None,
        activation=encoding.bits if encoding.quantized else 0,
        symmetric=encoding.qscheme.is_symmetric,
        weight=encoding.bits,
        granularity=granularity,
        block_size=encoding.block_size,
    )


def in_order(wishes: Sequence[Wish], role: Role) -> tuple[tuple[Wish, What], ...]:
    """What each wish says of a port with that role where it gives way to later ones.

    A later exact encoding says all of it; where only a width or the like is said later, the rest of the encoding holds.
    """
    found: list[tuple[Wish, What]] = []
    exact_follows = thing_follows = False
    for wish in reversed(wishes):
        what = wish.what
        if exact_follows:
            what = attrs.evolve(what, **dict.fromkeys(THINGS))
        elif thing_follows:
            what = spelled_out(what)
        exact_follows = exact_follows or (wish.what.encoding is not None and not thing_follows)
        thing_follows = thing_follows or says(wish.what, role)
        found.append((wish, what))
    return tuple(reversed(found))


def _unscaled(encoding: Encoding) -> Encoding:
    """Without the scale that an op fixes: who asks for ``u8`` of a softmax does not mind which."""
    return attrs.evolve(encoding, scale=None, zero_point=None)


def contradicts(earlier: What, later: What) -> bool:
    """Whether the two say different things of one thing."""
    pairs = zip(attrs.astuple(earlier, recurse=False), attrs.astuple(later, recurse=False), strict=True)
    return any(one is not None and other is not None and one != other for one, other in pairs)
