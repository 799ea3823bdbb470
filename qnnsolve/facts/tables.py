"""The measured operator tables: what one QNN operator takes on its ports, per HTP arch, as files.

A table has one or more *cases* (the same operator under another shape or parameter class); ``when`` says which nodes a
case measures (:mod:`qnnsolve.facts.forms`). A case names the port codes that were ``asked`` at every port. A tuple of
these codes that stands in no row was measured as rejected. Any other tuple is unknown. Rows hold per arch;
``symmetric``, ``same`` and ``fixed`` say what else a row asks of its ports' encodings. Files are canonical: writing a
table that was read gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from qnnsolve.facts import backends
from qnnsolve.facts.table_reading import load_table, parse_table
from qnnsolve.facts.table_types import (
    ARCHS,
    CODES,
    Case,
    FixedPort,
    OpTable,
    ProbeVerdict,
    TableRow,
    codes_of,
)

__all__ = [
    "ARCHS",
    "CODES",
    "Case",
    "FixedPort",
    "OpTable",
    "ProbeVerdict",
    "TableRow",
    "codes_of",
    "load_table",
    "parse_table",
    "shipped_tables",
]


@functools.cache
def shipped_tables(backend: str = "htp") -> Mapping[str, OpTable]:
    """Return the tables that ship with ``backend``, by operator, in alphabetical order; empty where it has none.

    Raises:
        UnknownNameError: there is no such backend.
        FactsError: a shipped file is damaged.
    """
    folder = backends.backend(backend).data
    if folder is None:
        return {}
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    tables = [parse_table(file.read_text(encoding="utf-8"), file) for file in files]
    return {table.op: table for table in sorted(tables, key=lambda table: table.op)}
