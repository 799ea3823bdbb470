"""Where a fact comes from: :class:`Source`."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

__all__ = ["Source", "SourceKind", "joined"]


class SourceKind(enum.Enum):
    """Where a fact comes from, in the words that reports print."""

    SDK = "sdk"
    MEASURED = "measured"
    DOCUMENT = "document"
    USER = "user"
    GRAPH = "graph"


@attrs.frozen(cache_hash=True, order=True)
class Source:
    """Provenance of a fact: its kind and a citation that a reader can follow up."""

    kind: SourceKind = attrs.field(order=lambda kind: kind.value)
    citation: str


def joined(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Each source once, sorted."""
    return tuple(sorted(set(sources)))
