"""The measured operator tables: what one QNN operator takes on its ports, per HTP arch, as files.

A table has one or more *cases* (the same operator under another shape or parameter class); ``when`` says which nodes a
case measures (:mod:`qnnsolve.facts.forms`). A case names the port codes that were ``asked`` at every port. A tuple of
these codes that stands in no row was measured as rejected. Any other tuple is unknown. Rows hold per arch;
``symmetric``, ``same`` and ``fixed`` say what else a row asks of its ports' encodings. Files are canonical: writing a
table that was read gives the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable

from qnnsolve.errors import FactsError
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


class _Shipped(Mapping[str, OpTable]):
    """The tables in a folder, by operator, in alphabetical order; each is read when it is asked for.

    Raises:
        FactsError: (where a table is asked for) its file is damaged, or is not named after its operator.
    """

    def __init__(self, folder: Traversable) -> None:
        found = {file.name.removesuffix(".json"): file for file in folder.iterdir() if file.name.endswith(".json")}
        self._files = dict(sorted(found.items()))
        self._read: dict[str, OpTable] = {}

    def __getitem__(self, op: str) -> OpTable:
        if op not in self._read:
            file = self._files[op]
            table = parse_table(file.read_text(encoding="utf-8"), file)
            if table.op != op:
                raise FactsError(file, f"is a table of {table.op}, and has to be named {table.op}.json")
            self._read[op] = table
        return self._read[op]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@functools.cache
def shipped_tables(backend: str = "htp") -> Mapping[str, OpTable]:
    """Return the tables that ship with ``backend``, by operator, in alphabetical order; empty where it has none.

    Each is read when it is asked for: FactsError where its file is damaged.

    Raises:
        UnknownNameError: there is no such backend.
    """
    folder = backends.backend(backend).data
    return {} if folder is None else _Shipped(folder)
