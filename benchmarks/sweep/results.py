"""The results file: a line of JSON per form, configuration and path; a later line replaces an earlier one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Key", "Results"]

Key = tuple[str, str, str, str]
"""(path, SoC, precision, form)."""


class Results:
    """What is known, by :data:`Key`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[Key, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self.found[_key(record)] = record

    def get(self, path: str, soc: str, precision: str, form: str) -> dict[str, Any] | None:
        """What came of a form by ``library`` or by ``export``; None where it was not run."""
        return self.found.get((path, soc, precision, form))

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Keep them, in the file as well."""
        made = [dict(record) for record in records]
        self.found |= {_key(record): record for record in made}
        with self.path.open("ab", buffering=0) as file:  # in one write: two runs may share the file
            file.write("".join(json.dumps(record) + "\n" for record in made).encode())

    def forget(self, keys: Iterable[Key]) -> None:
        """As if they had not been run, as long as this process lives."""
        for key in keys:
            self.found.pop(key, None)


def _key(record: Mapping[str, Any]) -> Key:
    return record["path"], record["soc"], record["precision"], record["form"]
