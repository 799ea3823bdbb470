"""What is said of each place of a problem, by number, and a network's layers as one place each: :class:`Places`.

A layer that repeats is eliminated once where it is one place (:mod:`qnnsolve.solver.optimum.templates`). Where a layer
begins and ends is a guess: any run of places may be taken as one, and what comes of it is the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from qnnsolve.solver.model import Model
from qnnsolve.solver.numbering import NumberedSaid
from qnnsolve.solver.optimum.templates import LocalKind

__all__ = ["Places", "layers", "places_of"]

_ALIKE = 16
"""So many places in a row that were met before are worth a look whether a layer repeats there. Parts of a layer that
are alike, such as queries, keys and values, are shorter."""


@attrs.frozen(eq=False)
class Places:
    """Of each place what is said there, by its number in ``said``, and the sites that this names, by number."""

    said: list[tuple[LocalKind, ...]]
    of: list[int]
    sites: list[tuple[int, ...]]

    def by_layers(self) -> Places:
        """The same, where all places of a layer that repeats are one."""
        found = Places(list(self.said), [], [])
        numbers: dict[tuple[int, ...], int] = {}
        end = 0
        for layer in layers(self.of):
            found._take(self, end, layer.start)
            end = layer.stop
            within, sites = tuple(self.of[layer.start : end]), self.sites[layer.start : end]
            if within not in numbers:
                numbers[within] = len(found.said)
                found.said.append(_together([self.said[number] for number in within], sites))
            found.of.append(numbers[within])
            found.sites.append(tuple(itertools.chain.from_iterable(sites)))
        found._take(self, end, len(self.of))
        return found

    def _take(self, other: Places, start: int, end: int) -> None:
        self.of.extend(other.of[start:end])
        self.sites.extend(other.sites[start:end])


def places_of(model: Model) -> Places:
    """The places of a problem, in its order."""
    found = Places([], [], [])
    numbers: dict[tuple[tuple[int, tuple[int, ...]], ...], int] = {}
    for places, said in model.numbering.together():
        known: dict[int, tuple[int, tuple[int, ...] | None]] = {}
        for kind, entries in said.items():
            if not entries:
                continue
            what, columns = _named(model, entries)
            key = tuple([(each.rank, at) for each, at in what])  # of one rank is what says the same
            if key not in numbers:
                numbers[key] = len(found.said)
                found.said.append(what)
            known[kind] = numbers[key], columns
        for kind, sites in places:
            if kind in known:
                number, columns = known[kind]
                found.of.append(number)
                found.sites.append(sites if columns is None else tuple([sites[column] for column in columns]))
    return found


def _named(model: Model, entries: NumberedSaid) -> tuple[tuple[LocalKind, ...], tuple[int, ...] | None]:
    """What is said of a kind of place, and the columns that it names in order (None: all of them)."""
    columns = sorted({column for _, at in entries for column in at})
    place = {column: index for index, column in enumerate(columns)}
    said = tuple([(model.said[number], tuple([place[column] for column in at])) for number, at in entries])
    return said, None if columns == list(range(len(columns))) else tuple(columns)


def _together(said: Sequence[Sequence[LocalKind]], sites: Sequence[tuple[int, ...]]) -> tuple[LocalKind, ...]:
    """What is said of each of these places, of all their sites one after another."""
    found: list[LocalKind] = []
    before = 0
    for each, there in zip(said, sites, strict=True):
        found += [(kind, tuple([before + column for column in at])) for kind, at in each]
        before += len(there)
    return tuple(found)


def layers(kinds: Sequence[int]) -> Iterator[range]:
    """Where ``kinds`` repeat: runs that follow each other, each the same as the one before or after it."""
    met: dict[tuple[int, ...], int] = {}
    free = at = 0
    while at < len(kinds):
        ahead = tuple(kinds[at : at + _ALIKE])
        before = met.get(ahead, -1)
        met[ahead] = at
        if before < free:
            at += 1
            continue
        length, end = at - before, at
        while end < len(kinds) and kinds[end] == kinds[end - length]:
            end += 1
        if end < at + length:
            at = max(at + 1, end - _ALIKE)  # what was compared is not compared again
            continue
        for start in range(before, end - length + 1, length):
            yield range(start, start + length)
            free = at = start + length
