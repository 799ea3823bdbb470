"""What stands in a kept run: the tables of the file, from which SQL, the checks on reading and ``docs/runs.md`` come.

Rows of a table that have an ``id`` are numbered from 0 on, without a gap. A column that is ``of`` a table holds ids of
it; one of ``many`` holds a JSON array of them.
"""

from __future__ import annotations

from qnnsolve.runs.answer_tables import ANSWER_TABLES
from qnnsolve.runs.given_tables import GIVEN_TABLES

__all__ = ["APPLICATION_ID", "FORMAT", "TABLES"]

APPLICATION_ID = 0x514E5352
"""``QNSR``, in the header of every kept run."""
FORMAT = 2
"""In the header as ``user_version``; a file of another format is refused."""

TABLES = (*GIVEN_TABLES, *ANSWER_TABLES)
"""In the order in which they are written; a column is only of a table that stands before."""
