"""Rules about what was asked for: how far an encoding is from it, what is pinned, and where blocks fit."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

import attrs

from qnnsolve.constraints import Allow, Constraint, Forbid, Prefer, Problem, Site
from qnnsolve.constraints.repeats import Repeats
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import costs
from qnnsolve.rules.base import Facts
from qnnsolve.rules.kinds import Call, once
from qnnsolve.rules.registry import rule
from qnnsolve.rules.repeating import at_each_call, call_rule
from qnnsolve.rules.request import Role
from qnnsolve.sources import Source, SourceKind

__all__ = ["PINNED", "blocks_divide_the_input_channels", "pins_hold", "what_was_asked_for", "without_pins"]


def _inputs_and_calls(facts: Facts) -> Iterator[tuple[Constraint, ...] | Repeats]:
    yield tuple(each for node in facts.inputs for each in _as_asked(facts, Site(node.name)))
    yield at_each_call(facts, _as_asked_of)


@rule("QC006", repeated=_inputs_and_calls)
def what_was_asked_for(facts: Facts) -> Iterator[Constraint]:
    """Every site prefers the encoding that the user asked for; others cost what the table of prices says.

    Why: a legal config is not enough, it has to be the nearest to the request.

    Instead: ask for another precision.
    """
    return itertools.chain.from_iterable(_inputs_and_calls(facts))


def _as_asked_of(call: Call) -> Iterator[Constraint]:
    for site in call.own_sites():
        yield from _as_asked(call.facts, site)


def _as_asked(facts: Facts, site: Site) -> Iterator[Constraint]:
    asked, owner, port = facts.asked(site), facts.owner(site), facts.port(site)
    if port.role is Role.BIAS:
        return  # follows from its table; there is nothing to ask for
    # Of two second operands of equal width the affine one keeps more of the range.
    against = facts.wanted.activation(owner) if port.role is Role.OPERAND else asked
    narrow, widen = _prices(port.role)
    domain = facts.domains[site]

    def priced() -> tuple[tuple[Encoding, int], ...]:
        prices = ((e, 0 if e == asked else costs.deviation(against, e, narrow, widen)) for e in domain)
        return tuple((encoding, cost) for encoding, cost in prices if cost)

    dear = once(facts, (_as_asked, asked, against, port.role, domain), priced)
    if dear:
        wish = facts.wanted.said_of(owner, port)
        sources = () if wish is None else (wish.source,)
        yield Prefer(site, dear, Reason.of("QC006", Says.ASKED_FOR, sources, encoding=asked.name))


def _prices(role: Role) -> tuple[int, int]:
    match role:
        case Role.ACTIVATION:
            return costs.NARROW_ACT, costs.WIDEN_ACT
        case Role.OPERAND:
            return costs.NARROW_RHS, costs.WIDEN_ACT
        case Role.WEIGHT | Role.NORM | Role.BIAS:
            return costs.NARROW_PAR, costs.WIDEN_PAR


PINNED = "QC010"
"""Code of the rule whose constraints are the user's pins."""


@rule(PINNED)
def pins_hold(facts: Facts) -> Iterator[Constraint]:
    """A port has what the user pins it to: a width, a granularity, an encoding.

    Why: a pin is a wish that must hold. Whatever else could be legal there is given up.

    Instead: ``--prefer`` in place of ``--pin``, or ``--lenient``, which gives up pins that cannot hold and says so.
    """
    for site, domain in facts.domains.items() if facts.wanted.all else ():
        allowed, pins = facts.wanted.allowed(facts.owner(site), facts.port(site), domain)
        if pins:
            what = ", ".join(dict.fromkeys(str(pin.what) for pin in pins))
            words = ", ".join(dict.fromkeys(pin.words for pin in pins))
            sources = tuple(sorted({pin.source for pin in pins}))
            yield Allow(site, allowed, Reason.of(PINNED, Says.PINNED, sources, what=what, words=words))


def without_pins(problem: Problem, given_up: Collection[str] | None = None) -> Problem:
    """``problem`` with every pin as a preference, or those whose words are ``given_up``: giving one up costs more than
    any width, and less than the CPU."""

    def relaxed(constraint: Constraint) -> Constraint:
        if not isinstance(constraint, Allow) or constraint.reason.rule != PINNED:
            return constraint
        if given_up is not None and str(constraint.reason.get("words")) not in given_up:
            return constraint
        others = (each for each in problem.domains[constraint.site] if each not in constraint.encodings)
        return Prefer(constraint.site, tuple((each, costs.PIN) for each in others), constraint.reason)

    return attrs.evolve(problem, constraints=tuple(map(relaxed, problem.constraints)))


_WHOLE_BLOCKS = Source(
    SourceKind.DOCUMENT, "ExecuTorch 1.5.1, per_block_param_observer.py: a weight is cut into blocks"
)


@call_rule("QC009", rests_on=(_WHOLE_BLOCKS,))
def blocks_divide_the_input_channels(call: Call) -> Iterator[Constraint]:
    """A weight is quantized per block (LPBQ) only where the block size divides its input channels.

    Why: every block has the same size, so none may be left over at the end. A depthwise convolution has one input
    channel per group, and so no blocks at all. Along every other dimension a block has one weight.

    Instead: another ``--block-size``, or one scale per channel.
    """
    for _, entry, edge, tensor in call.float_inputs():
        axis = 1 if entry.ch_axis == 0 else 0
        sizes = {e: e.block_size[axis] for e in call.facts.domains[edge] if e.block_size is not None}
        for encoding, size in sizes.items():
            channels = tensor.shape[axis]
            if channels is None or channels % size:
                given = {"size": size, "channels": channels, "fitting": _fitting(channels)}
                left_over = Reason.of("QC009", Says.BLOCKS_LEFT_OVER, (_WHOLE_BLOCKS,), **given)
                yield Forbid(edge, frozenset({encoding}), left_over)
        for encoding in sizes:
            block = encoding.block_size or ()
            if any(size != 1 for at, size in enumerate(block) if at != axis):
                along = [size if at == axis else 1 for at, size in enumerate(block)]
                given = {"size": "x".join(map(str, block)), "along": "x".join(map(str, along))}
                yield Forbid(edge, frozenset({encoding}), Reason.of("QC009", Says.BLOCKS_ACROSS, (), **given))


def _fitting(channels: int | None) -> str:
    """The block sizes that divide ``channels``, the largest powers of two first; ``""`` where they vary."""
    if channels is None:
        return ""
    return ", ".join(str(size) for size in (128, 64, 32, 16, 8, 4, 2) if channels % size == 0)
