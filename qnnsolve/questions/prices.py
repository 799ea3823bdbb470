"""What one config pays for that another does not: :func:`tips`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from qnnsolve.constraints import Constraint, Convertible, Prefer, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.explain import sentence
from qnnsolve.questions.answers import Tip
from qnnsolve.questions.opened import Opened
from qnnsolve.reasons import Says

__all__ = ["tips"]

SHOWN = 6
"""So many parts of a price are named; the others are summed up."""
NAMED = 3
"""So many places that are paid for alike are named."""


def tips(opened: Opened, after: Mapping[Site, Encoding]) -> tuple[Tip, ...]:
    """The parts of the difference in cost, the largest first; together they are the whole of it."""
    before = opened.encodings
    found: dict[str, list[tuple[str, int]]] = {}
    for constraint in opened.problem.constraints:
        if any(before[site] != after[site] for site in constraint.sites):
            one, other = _paid(constraint, before), _paid(constraint, after)
            if one != other:
                text, where = _told(opened, constraint, before if one > other else after, saved=one > other)
                found.setdefault(text, []).append((where, other - one))
    prices = ((_at(text, [where for where, _ in each]), sum(part for _, part in each)) for text, each in found.items())
    ordered = sorted(prices, key=lambda each: (-abs(each[1]), each[0]))
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


def _told(opened: Opened, constraint: Constraint, paying: Mapping[Site, Encoding], *, saved: bool) -> tuple[str, str]:
    """What is paid for, and where: in the answer where it is ``saved``, else in the other config."""
    no_longer = "no longer " if saved else ""
    if isinstance(constraint, Prefer):
        asked = constraint.reason.get("encoding")
        pinned = constraint.reason.says is Says.PINNED
        words = sentence(constraint.reason) if pinned else f"{asked or 'another'} was asked for"
        return f"{no_longer}{paying[constraint.site]} where {words}, at", opened.named(constraint.site)
    if isinstance(constraint, Convertible):
        at_border = FLOAT in (paying[constraint.source], paying[constraint.target])
        what = "hand-overs to or from the CPU" if at_border else "converts"
        return f"{'fewer' if saved else 'more'} {what}, before", opened.named(constraint.target)
    return f"{no_longer}on the CPU:", opened.facts.owner(constraint.sites[0])


def _at(text: str, places: Sequence[str]) -> str:
    """What is paid for, with the first of the places where it is."""
    named = [*dict.fromkeys(places)]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"{text} {', '.join(named[:NAMED])}{more}"
