"""The words of a kept run's schema: tables, their columns, and what stands in a cell."""

from __future__ import annotations

import enum

import attrs

__all__ = ["ID", "JSON", "CellType", "Column", "SqlTable", "integer", "many", "one", "text"]


class CellType(enum.Enum):
    """What stands in the cells of a column."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"

    @property
    def type(self) -> type:
        """As Python reads it."""
        return {CellType.TEXT: str, CellType.INTEGER: int, CellType.REAL: float}[self]


@attrs.frozen
class Column:
    """A column: what its cells hold, whether there may be none (``null``), and of which table they hold ids."""

    name: str
    cell: CellType
    says: str
    null: bool = False
    of: str = ""
    many: bool = False

    @property
    def sql(self) -> str:
        """The column as ``CREATE TABLE`` has it."""
        if self.name == "id":
            return "id INTEGER PRIMARY KEY"
        return f"{self.name} {self.cell.value}{'' if self.null else ' NOT NULL'}"


@attrs.frozen
class SqlTable:
    """A table. ``given``: it holds what the solve was made from, not what came of it."""

    name: str
    says: str
    columns: tuple[Column, ...]
    given: bool = False

    @property
    def numbered(self) -> bool:
        """Whether its rows have an ``id``."""
        return self.columns[0].name == "id"

    @property
    def sql(self) -> str:
        """The statement that makes the table: word for word what stands in the file."""
        return f"CREATE TABLE {self.name} ({', '.join(column.sql for column in self.columns)})"


ID = Column("id", CellType.INTEGER, "from 0 on")
JSON = "JSON; encodings, sources and nodes in it stand as their ids"
"""What a column of records says."""


def text(name: str, says: str, *, null: bool = False) -> Column:
    """A column of text."""
    return Column(name, CellType.TEXT, says, null)


def integer(name: str, says: str, *, null: bool = False) -> Column:
    """A column of numbers."""
    return Column(name, CellType.INTEGER, says, null)


def one(name: str, of: str, says: str, *, null: bool = False) -> Column:
    """A column of ids of another table."""
    return Column(name, CellType.INTEGER, says, null, of)


def many(name: str, of: str, says: str) -> Column:
    """A column of JSON arrays of ids of another table."""
    return Column(name, CellType.TEXT, says, False, of, True)
