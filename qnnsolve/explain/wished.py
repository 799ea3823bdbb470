"""What came of each wish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import OverriddenRecord, Placement, WishRecord
from qnnsolve.rules.base import Facts
from qnnsolve.rules.wishes import Wish

__all__ = ["broken_at", "overridden_records", "wish_records"]


def wish_records(
    facts: Facts, encodings: Mapping[Site, Encoding], where: Mapping[str, Placement]
) -> tuple[WishRecord, ...]:
    """One per wish, in their order. Without a solution no port has anything: ``kept`` and ``missed`` are 0."""
    kept: dict[Wish, int] = {}
    missed: dict[Wish, int] = {}
    for site, encoding in encodings.items() if facts.wanted.all else ():
        for wish, holds in facts.wanted.held(facts.owner(site), facts.port(site), encoding).items():
            counts = kept if holds else missed
            counts[wish] = counts.get(wish, 0) + 1
    for name, place in where.items():
        wish_of_cpu = facts.wanted.on_cpu(name)
        if wish_of_cpu is not None:
            counts = kept if place is Placement.CPU else missed
            counts[wish_of_cpu] = counts.get(wish_of_cpu, 0) + 1
    nodes = facts.wanted.nodes_of
    return tuple(
        WishRecord(
            where=str(wish.where),
            what=str(wish.what),
            strength=wish.strength.value,
            words=wish.words,
            nodes=nodes.get(wish, 0),
            kept=kept.get(wish, 0),
            missed=missed.get(wish, 0),
        )
        for wish in facts.wanted.all
    )


def overridden_records(facts: Facts) -> tuple[OverriddenRecord, ...]:
    """Each pair of wishes once per node."""
    found = (OverriddenRecord(node, earlier.words, later.words) for node, earlier, later in facts.wanted.overridden())
    return tuple(dict.fromkeys(found))


def broken_at(facts: Facts, sites: Iterable[Site], encodings: Mapping[Site, Encoding]) -> str:
    """The words of the wishes that the encodings of ``sites`` do not keep, with commas between."""
    held = ((facts.owner(site), facts.port(site), encodings[site]) for site in sites)
    broken = (wish.words for each in held for wish, holds in facts.wanted.held(*each).items() if not holds)
    return ", ".join(dict.fromkeys(broken))
