"""What one config pays for that another does not: :func:`tips`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qnnsolve.constraints import Constraint, Convertible, Prefer, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.questions.answers import Tip
from qnnsolve.questions.opened import Opened

__all__ = ["tips"]

SHOWN = 6
"""So many parts of a price are named; the others are summed up."""


def tips(opened: Opened, after: Mapping[Site, Encoding]) -> tuple[Tip, ...]:
    """The parts of the difference in cost, the largest first; together they are the whole of it."""
    before = opened.encodings
    found: dict[str, int] = {}
    for constraint in opened.problem.constraints:
        if any(before[site] != after[site] for site in constraint.sites):
            one, other = _paid(constraint, before), _paid(constraint, after)
            if one != other:
                text = _told(opened, constraint, before if one > other else after, saved=one > other)
                found[text] = found.get(text, 0) + other - one
    ordered = sorted(found.items(), key=lambda each: (-abs(each[1]), each[0]))
    named = [Tip(text, price) for text, price in ordered[:SHOWN]]
    rest = sum(price for _, price in ordered[SHOWN:])
    more = len(ordered) - SHOWN
    return (*named, *_summed(more, rest))


def _summed(more: int, rest: int) -> Iterable[Tip]:
    return (Tip(f"and {more} more", rest),) if more > 0 else ()


def _paid(constraint: Constraint, encodings: Mapping[Site, Encoding]) -> int:
    if isinstance(constraint, Prefer):
        return dict(constraint.costs).get(encodings[constraint.site], 0)
    if isinstance(constraint, Table):
        return constraint.relation.price_of.get(tuple(encodings[site] for site in constraint.sites), 0)
    if isinstance(constraint, Convertible):
        return 0 if encodings[constraint.source] == encodings[constraint.target] else constraint.price
    return 0


def _told(opened: Opened, constraint: Constraint, paying: Mapping[Site, Encoding], *, saved: bool) -> str:
    """What is paid for: in the answer where it is ``saved``, else in the other config."""
    return " ".join(_words(opened, constraint, paying, saved))


def _words(opened: Opened, constraint: Constraint, paying: Mapping[Site, Encoding], saved: bool) -> Iterator[str]:
    if isinstance(constraint, Prefer):
        asked = constraint.reason.get("encoding")
        yield f"{opened.named(constraint.site)} {'no longer ' if saved else ''}has {paying[constraint.site]} where"
        yield f"{asked} was asked for" if asked else "another was asked for"
    elif isinstance(constraint, Convertible):
        at_border = FLOAT in (paying[constraint.source], paying[constraint.target])
        what = "a hand-over to or from the CPU" if at_border else "a convert"
        yield f"{what} {'less' if saved else 'more'} before {opened.named(constraint.target)}"
    else:
        owner = opened.facts.owner(constraint.sites[0])
        yield f"{owner} {'no longer ' if saved else ''}runs on the CPU"
