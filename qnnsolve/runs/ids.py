"""Each thing once, numbered: how a kept run stores what repeats."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import attrs

from qnnsolve.encodings import DType, Encoding, QScheme
from qnnsolve.runs.file import Row, Rows
from qnnsolve.sources import Source, SourceKind

__all__ = ["Ids", "Met", "StoredIds", "compact", "parsed", "parsed_all"]

T = TypeVar("T", bound=Hashable)


class Ids(Generic[T]):
    """Numbers things from 0 on, in the order in which they are first met."""

    def __init__(self) -> None:
        self._ids: dict[T, int] = {}

    def __call__(self, thing: T) -> int:
        """The number of ``thing``."""
        return self._ids.setdefault(thing, len(self._ids))

    def many(self, things: Iterable[T]) -> str:
        """Their numbers as JSON."""
        return compact([self(thing) for thing in things])

    def __iter__(self) -> Iterator[T]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


@attrs.frozen(eq=False)
class Met:
    """What every part of a run names: the sources, the encodings and the nodes that were met in writing it."""

    sources: Ids[Source] = attrs.field(factory=Ids)
    encodings: Ids[Encoding] = attrs.field(factory=Ids)
    nodes: Ids[str] = attrs.field(factory=Ids)

    def rows(self) -> dict[str, list[Row]]:
        """The rows of the tables ``sources`` and ``encodings``."""
        return {
            "sources": [(at, source.kind.value, source.citation) for at, source in enumerate(self.sources)],
            "encodings": [_encoding_row(at, encoding) for at, encoding in enumerate(self.encodings)],
        }


@attrs.frozen(eq=False)
class StoredIds:
    """The same, as a file has it."""

    sources: tuple[Source, ...]
    encodings: tuple[Encoding, ...]
    nodes: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows) -> StoredIds:
        """What the rows of a run name."""
        return cls(
            tuple(Source(SourceKind(kind), citation) for _, kind, citation in rows["sources"]),
            tuple(map(_encoding, rows["encodings"])),
            tuple(row[1] for row in rows["nodes"]),
        )

    def sources_of(self, text: str) -> tuple[Source, ...]:
        """Those that a column of many sources names."""
        return tuple(self.sources[at] for at in parsed(text))

    def encodings_of(self, text: str) -> tuple[Encoding, ...]:
        """Those that a column of many encodings names."""
        return tuple(self.encodings[at] for at in parsed(text))


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def parsed(text: str) -> Any:
    """What a cell of JSON says."""
    return json.loads(text)


def parsed_all(texts: Sequence[str]) -> list[Any]:
    """What each cell of a column of JSON says, read in one go."""
    found: list[Any] = json.loads(f"[{','.join(texts)}]")
    if len(found) != len(texts):
        raise ValueError("cells of JSON do not hold one value each")
    return found


def _encoding_row(at: int, encoding: Encoding) -> Row:
    return (
        at,
        encoding.name,
        encoding.dtype.value,
        encoding.qscheme.value,
        encoding.quant_min,
        encoding.quant_max,
        encoding.ch_axis,
        None if encoding.block_size is None else compact(encoding.block_size),
        None if encoding.scale is None else float(encoding.scale),
        encoding.zero_point,
    )


def _encoding(row: Sequence[Any]) -> Encoding:
    _, _, dtype, qscheme, low, high, ch_axis, block_size, scale, zero_point = row
    blocks = None if block_size is None else tuple(parsed(block_size))
    return Encoding(DType(dtype), QScheme(qscheme), low, high, ch_axis, blocks, scale, zero_point)
