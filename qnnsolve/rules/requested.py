"""Rules about what was asked for: how far an encoding is from it, and where blocks fit."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Forbid, Prefer, Site
from qnnsolve.encodings import Encoding, QScheme
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import costs
from qnnsolve.rules.base import Facts
from qnnsolve.rules.registry import rule
from qnnsolve.rules.request import Role
from qnnsolve.sources import Source, SourceKind

__all__ = ["blocks_divide_the_input_channels", "what_was_asked_for"]


@rule("QC006")
def what_was_asked_for(facts: Facts) -> Iterator[Constraint]:
    """Every site prefers the encoding that the user asked for; others cost what the table of prices says.

    Why: a legal config is not enough, it has to be the nearest to the request.

    Instead: ask for another precision.
    """
    tables: dict[tuple[object, ...], tuple[tuple[Encoding, int], ...]] = {}
    reasons: dict[str, Reason] = {}
    for site, domain in facts.domains.items():
        asked = facts.asked(site)
        role = _role(facts, site)
        if role is Role.BIAS:
            continue  # follows from its table; there is nothing to ask for
        key = (asked, id(domain), role)
        if key not in tables:
            narrow, widen = _prices(role)
            # Of two second operands of equal width the affine one keeps more of the range.
            against = facts.request.precision.activation if role is Role.OPERAND else asked
            priced = ((e, 0 if e == asked else costs.deviation(against, e, narrow, widen)) for e in domain)
            tables[key] = tuple((encoding, cost) for encoding, cost in priced if cost)
        reason = reasons.setdefault(asked.name, Reason.of("QC006", Says.ASKED_FOR, encoding=asked.name))
        if tables[key]:
            yield Prefer(site, tables[key], reason)


def _role(facts: Facts, site: Site) -> Role:
    built = facts.built.get(site.user)
    for entry in built.inputs if built is not None else ():
        if entry.ref == site.node:
            return entry.role
    return Role.ACTIVATION


def _prices(role: Role) -> tuple[int, int]:
    match role:
        case Role.ACTIVATION:
            return costs.NARROW_ACT, costs.WIDEN_ACT
        case Role.OPERAND:
            return costs.NARROW_RHS, costs.WIDEN_ACT
        case Role.WEIGHT | Role.NORM | Role.BIAS:
            return costs.NARROW_PAR, costs.WIDEN_PAR


_WHOLE_BLOCKS = Source(
    SourceKind.DOCUMENT, "ExecuTorch 1.5.1, per_block_param_observer.py: a weight is cut into blocks"
)


@rule("QC009", rests_on=(_WHOLE_BLOCKS,))
def blocks_divide_the_input_channels(facts: Facts) -> Iterator[Constraint]:
    """A weight is quantized per block (LPBQ) only where the block size divides its input channels.

    Why: every block has the same size, so none may be left over at the end. A depthwise convolution has one input
    channel per group, and so no blocks at all.

    Instead: another ``--block-size``, or one scale per channel.
    """
    size = facts.request.block_size
    for node, built in facts.calls if facts.request.precision.per_block else ():
        for _, entry, edge, tensor in facts.float_inputs(node, built):
            blocks = frozenset(e for e in facts.domains[edge] if e.qscheme is QScheme.PER_BLOCK_SYMMETRIC)
            channels = tensor.shape[1 if entry.ch_axis == 0 else 0] if blocks else size
            if channels is None or channels % size:
                left_over = Reason.of("QC009", Says.BLOCKS_LEFT_OVER, (_WHOLE_BLOCKS,), size=size, channels=channels)
                yield Forbid(edge, blocks, left_over)
