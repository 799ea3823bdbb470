"""Curated facts in words: one statement each, with its source."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.facts.curated import Curated, DerivedScale, FixedEncoding, LeastFactor
from qnnsolve.sources import Source

__all__ = ["Statement", "cited", "scale_text", "statements"]


@attrs.frozen
class Statement:
    """A fact in words: what it is about (an operator, an aten target, a port code), and who says so."""

    about: str
    text: str
    source: Source


def _listed(names: Sequence[str]) -> str:
    """``in[0], in[2] and out[0]``."""
    return " and ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)


def statements(facts: Curated, section: str) -> tuple[Statement, ...]:
    """One kind of curated facts in words, sorted by what they are about.

    Raises:
        ValueError: there is no such kind.
    """
    match section:
        case "invariant":
            found = [
                Statement(op, f"moves the bits unchanged: {_listed(ports)} carry one encoding", source)
                for op, (ports, source) in facts.invariant.items()
            ]
        case "one_dtype":
            found = [Statement(op, "all inputs and the output have one dtype", s) for op, s in facts.one_dtype.items()]
        case "derived":
            found = [Statement(op, _derived(fact), fact.source) for op, fact in facts.derived.items()]
        case "fixed":
            found = [
                Statement(op, f"{fact.port} at {fact.code}: {_fixed_text(fact)}", fact.source)
                for op, fixed in facts.fixed.items()
                for fact in fixed
            ]
        case "symmetric":
            found = [
                Statement(op, f"{port} at {' or '.join(sorted(codes))} is symmetric", source)
                for (op, port), (codes, source) in facts.symmetric.items()
            ]
        case "at_least":
            found = [
                Statement(op, f"{port} at {code}: scale {scale_text(scale)} or more", source)
                for (op, port), (scales, source) in facts.at_least.items()
                for code, scale in scales.items()
            ]
        case "no_convert_after":
            text = "no convert can stand behind it: every edge from it has its encoding"
            found = [Statement(target, text, source) for target, source in facts.no_convert_after.items()]
        case "since":
            found = [Statement(code, f"is computed right from {arch} on", s) for code, (arch, s) in facts.since.items()]
        case "multiplier":
            found = [
                Statement(
                    op, f"multiplies its accumulator with {fact.bits} significant bits before {fact.until}", fact.source
                )
                for fact in facts.multiplier
                for op in fact.ops
            ]
        case "least_factor":
            found = [
                Statement(op, _least_factor(fact), fact.source)
                for op, them in facts.least_factor.items()
                for fact in them
            ]
        case _:
            raise ValueError(f"no curated facts are called {section}")
    return tuple(sorted(found, key=lambda fact: (fact.about, fact.text)))


def _least_factor(fact: LeastFactor) -> str:
    return (
        f"{fact.width}-bit input scale x scale of at most {fact.bits} bits / {fact.width}-bit output scale is "
        f"{fact.least:g} or more; the output is also that of {_listed(fact.fused)} behind"
    )


def _derived(fact: DerivedScale) -> str:
    scale = f"the scale of {fact.port} is that of {' times that of '.join(fact.sources)}"
    largest = [f"{steps:.5g} at {bits} bits" for bits, steps in fact.largest.items()]
    return f"{scale}; a value has at most so many steps: {', '.join(largest)}" if largest else scale


def cited(source: Source) -> str:
    """A source in words: its kind, unless the citation begins with it, and the citation."""
    kind = source.kind.value
    return source.citation if source.citation.startswith(kind) else f"{kind}: {source.citation}"


def _fixed_text(fixed: FixedEncoding) -> str:
    halved = f", halved up to {fixed.halvings} times" if fixed.halvings else ""
    case = f" (case {fixed.case})" if fixed.case else ""
    return f"scale {scale_text(fixed.scale)}{halved}, zero point {fixed.zero_point}{case}"


def scale_text(scale: float) -> str:
    """``1/256`` where the scale is one over a whole number, else its digits."""
    inverse = 1 / scale
    return f"1/{round(inverse)}" if inverse > 1 and abs(inverse - round(inverse)) < 1e-6 * inverse else f"{scale:g}"
