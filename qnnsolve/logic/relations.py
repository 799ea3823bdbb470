"""What a question is asked of: relations, and the rows of each, found by any of their columns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from qnnsolve.errors import QuestionError
from qnnsolve.logic.reaching import Reaching
from qnnsolve.logic.terms import Row
from qnnsolve.sources import Source

__all__ = ["REACHES", "Database", "Given", "MemoryRows", "Predicate", "Rows", "Support"]

MOST_STEPS = 30_000_000
"""Rows that one question may look at: about a minute."""


@attrs.frozen
class Predicate:
    """``name`` and its columns, as one would name variables for them; a column that ends with ``Node`` has nodes.

    In the column ``other_names`` a text that a question gives also finds rows by further names.
    """

    name: str
    columns: tuple[str, ...]
    says: str
    other_names: int | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.columns)})"

    def is_node(self, column: int) -> bool:
        """Whether what stands in ``column`` is the name of a node."""
        return self.columns[column].endswith("Node")


REACHES = Predicate(
    "reaches", ("Node", "LaterNode"), "`LaterNode` computes with what `Node` yields, over one edge of `feeds` or many."
)

Support: TypeAlias = tuple[tuple[Source, ...], str]
"""On whose word a row is there, and why."""


def _unsupported(_: Row) -> Support:
    return (), ""


@attrs.frozen(eq=False)
class Given:
    """The rows of a relation; ``other`` are those that only a text in the column of other names finds."""

    rows: Iterable[Row]
    other: Iterable[Row] = ()
    support: Callable[[Row], Support] = _unsupported


class Rows(Protocol):
    """What a join needs of a relation."""

    def __len__(self) -> int: ...

    def matching(self, columns: tuple[int, ...], key: Row) -> Sequence[Row]:
        """The rows that have ``key`` in these columns."""
        ...

    def expected(self, columns: tuple[int, ...], key: Row | None) -> float:
        """How many rows that is; on average, where the key is not known yet."""
        ...


class MemoryRows:
    """Rows in memory, each once, with an index for each set of columns that somebody asked by."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[Row, None] = dict.fromkeys(rows)
        self._listed: list[Row] | None = None
        self._indexes: dict[tuple[int, ...], dict[Row, list[Row]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: Row) -> bool:
        return row in self._rows

    def add(self, row: Row) -> None:
        """One more row."""
        if row not in self._rows:
            self._rows[row] = None
            self._listed = None
            for columns, index in self._indexes.items():
                index.setdefault(tuple([row[at] for at in columns]), []).append(row)

    def matching(self, columns: tuple[int, ...], key: Row) -> Sequence[Row]:
        """The rows that have ``key`` in these columns."""
        if not columns:
            if self._listed is None:
                self._listed = list(self._rows)
            return self._listed
        return self._index(columns).get(key, ())

    def expected(self, columns: tuple[int, ...], key: Row | None) -> float:
        """How many rows that is; on average, where the key is not known yet."""
        if not columns or not self._rows:
            return len(self._rows)
        index = self._index(columns)
        return len(self._rows) / len(index) if key is None else len(index.get(key, ()))

    def _index(self, columns: tuple[int, ...]) -> dict[Row, list[Row]]:
        if columns not in self._indexes:
            index: dict[Row, list[Row]] = {}
            for row in self._rows:
                index.setdefault(tuple([row[at] for at in columns]), []).append(row)
            self._indexes[columns] = index
        return self._indexes[columns]


class Database:
    """Relations by name, each read when it is first asked for; ``load`` gives the rows of one.

    ``late`` names relations that are not there yet, with what to say of them.
    """

    def __init__(
        self,
        relations: Iterable[Predicate],
        load: Callable[[str], Given],
        late: Mapping[str, str] | None = None,
    ) -> None:
        self.relations: Mapping[str, Predicate] = {each.name: each for each in relations}
        self.late: Mapping[str, str] = late or {}
        self.steps = 0
        """Rows that were looked at."""
        self._load = functools.cache(load)
        self._tables: dict[tuple[str, bool], MemoryRows] = {}

    def step(self, rows: int) -> None:
        """Count ``rows`` as looked at.

        Raises:
            QuestionError: that is more than anybody waits for.
        """
        self.steps += rows
        if self.steps > MOST_STEPS:
            raise QuestionError("question", f"looks at more than {MOST_STEPS:,} rows: narrow it")

    def rows(self, name: str, *, by_other_names: bool = False) -> Rows:
        """The rows of a relation."""
        if name == REACHES.name:
            return self.reaching
        if (name, by_other_names) not in self._tables:
            given = self._load(name)
            self._tables[name, by_other_names] = MemoryRows([*given.rows, *(given.other if by_other_names else ())])
        return self._tables[name, by_other_names]

    @functools.cached_property
    def reaching(self) -> Reaching:
        """The relation ``reaches``, out of ``feeds``."""
        return Reaching((str(node), str(reader)) for node, reader in self.rows("feeds").matching((), ()))

    def support(self, name: str, row: Row) -> Support:
        """On whose word a row is there, and why."""
        return self._load(name).support(row)
