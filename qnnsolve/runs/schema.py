"""What stands in a kept run: the tables of the file, from which SQL, the checks on reading and ``docs/runs.md`` come.

Rows of a table that have an ``id`` are numbered from 0 on, without a gap. A column that is ``of`` a table holds ids of
it; one of ``many`` holds a JSON array of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qnnsolve.runs.answer_tables import ANSWER_TABLES
from qnnsolve.runs.columns import SqlTable, text
from qnnsolve.runs.given_tables import GIVEN_TABLES

__all__ = ["APPLICATION_ID", "FORMATS", "MEASUREMENTS", "TABLES"]

APPLICATION_ID = 0x514E5352
"""``QNSR``, in the header of every kept run."""
TABLES = (*GIVEN_TABLES, *ANSWER_TABLES)
"""In the order in which they are written; a column is only of a table that stands before."""

MEASUREMENTS = SqlTable(
    "measurements",
    "What a search measured, sorted. Only in a run that has measurements: its format is 3.",
    (
        text("key", "the SHA-256 of all that the value depends on"),
        text("kind", "what was measured"),
        text("name", "of what"),
        text("value", "JSON"),
    ),
)

FORMATS: Mapping[int, tuple[SqlTable, ...]] = MappingProxyType({2: TABLES, 3: (*TABLES, MEASUREMENTS)})
"""The tables of a file by its format, which stands in the header as ``user_version``; other formats are refused."""
