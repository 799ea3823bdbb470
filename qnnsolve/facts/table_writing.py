"""Operator tables as files: canonical text, written whole or not at all."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from qnnsolve.facts.table_types import FORMAT, ROW_KEYS, Case, FixedPort, OpTable, TableRow, arch_list

__all__ = ["dump_table", "write_table"]


def dump_table(table: OpTable) -> str:
    """Return the canonical text of ``table``: sorted keys, one row per line."""
    ports = (*table.inputs, *table.outputs)
    cases: dict[str, Any] = {case.name: _case_body(case, ports) for case in table.cases}
    raw: dict[str, Any] = {
        "op": table.op,
        "backend": table.backend,
        "format": FORMAT,
        "source": dict(table.measured),
        "inputs": list(table.inputs),
        "outputs": list(table.outputs),
        "repeats": table.repeats,
        "aten": list(table.aten),
        "cases": cases,
    }
    if table.closed:
        raw["closed"] = True
    return json.dumps(raw, indent=1, sort_keys=True) + "\n"


def _case_body(case: Case, ports: tuple[str, ...]) -> dict[str, Any]:
    """What the file says of a case; sections that would be empty are left out."""
    asked = {port: " ".join(codes) for port, codes in zip(ports, case.asked, strict=True)}
    sections: dict[str, Any] = {"axes": dict(case.axes), "when": " | ".join(map(str, case.when))}
    for key in ROW_KEYS:
        sections[key] = {row.key: arch_list(row.archs) for row in getattr(case, key)}
    every: list[TableRow] = [row for key in ROW_KEYS for row in getattr(case, key)]
    sections["symmetric"] = {row.key: " ".join(sorted(row.symmetric)) for row in every if row.symmetric}
    sections["same"] = {row.key: " ".join(sorted(row.same)) for row in every if row.same}
    sections["fixed"] = {row.key: ", ".join(map(_fixed_text, row.fixed)) for row in every if row.fixed}
    return {"shapes": case.shapes, "asked": asked} | {key: body for key, body in sections.items() if body}


def _fixed_text(fixed: FixedPort) -> str:
    return f"{fixed.port} {Fraction(fixed.scale)} {fixed.zero_point}"


def write_table(table: OpTable, path: Path) -> None:
    """Write ``table`` to ``path``, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(dump_table(table), encoding="utf-8")
    temporary.replace(path)
