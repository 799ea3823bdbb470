"""What came of each wish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import OverriddenRecord, Placement, WishRecord
from qnnsolve.rules.alike import label
from qnnsolve.rules.base import Facts
from qnnsolve.rules.wishes import Wish
from qnnsolve.sources import SourceKind

__all__ = ["broken_at", "missing_notes", "overridden_records", "wish_records"]


def wish_records(
    facts: Facts, encodings: Mapping[Site, Encoding], where: Mapping[str, Placement]
) -> tuple[WishRecord, ...]:
    """One per wish of the user, in their order; those of a recipe's nodes are one. Without a solution no port has
    anything: ``kept`` and ``missed`` are 0."""
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
    records = (
        WishRecord(
            where="its nodes" if wishes[0].told_as else str(wishes[0].where),
            what="what they had" if wishes[0].told_as else str(wishes[0].what),
            strength=wishes[0].strength.value,
            words=wishes[0].told_as or wishes[0].words,
            nodes=_nodes(wishes, facts.wanted.nodes_of),
            kept=sum(kept.get(wish, 0) for wish in wishes),
            missed=sum(missed.get(wish, 0) for wish in wishes),
        )
        for wishes in _told_together(wish for wish in facts.wanted.all if wish.kind is SourceKind.USER)
    )
    return tuple(records)


def _told_together(wishes: Iterable[Wish]) -> Iterable[list[Wish]]:
    groups: dict[object, list[Wish]] = {}
    for wish in wishes:
        groups.setdefault((wish.told_as, wish.strength) if wish.told_as else wish, []).append(wish)
    return groups.values()


def _nodes(wishes: Iterable[Wish], nodes_of: Mapping[Wish, int]) -> int:
    """At how many nodes they are; several wishes for the ports of one count once."""
    return sum({wish.where.key: nodes_of.get(wish, 0) for wish in wishes}.values())


def missing_notes(facts: Facts) -> tuple[str, ...]:
    """Which nodes of a recipe the model has no more, a sentence for each recipe."""
    found: dict[str, dict[str, None]] = {}
    for wish in facts.wanted.missing:
        found.setdefault(wish.told_as, {})[label(wish.where.key)] = None
    return tuple(
        f"{recipe}: {len(labels)} of its nodes {'is' if len(labels) == 1 else 'are'} not in the model: "
        + ", ".join(labels)
        for recipe, labels in found.items()
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
