"""The page of ``docs/upstream.md``: how many tests pass with either quantizer, and each difference."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import state
from benchmarks.upstream.reasons import REASONS

__all__ = ["page", "read", "word"]

Record = Mapping[str, Any]
WORDS = ("passed", "failed", "died", "skipped")
HEAD = """# ExecuTorch's own test suite

Written by `make upstream`: the installed `backends/qualcomm/tests/test_qnn_delegate.py` of ExecuTorch 1.5.1 (quantized
operators, models and utilities), unmodified, compiled for {soc} and run on the emulator (QNN 2.51). *qnnsolve* is
`SolveQuantizer` itself in the place of `QnnQuantizer`, with every setting as the tests make it. Outputs are held to the
suite's own tolerances; errors are the largest of each output against the converted model, as a share of its range. A
test that needs the suite's own runner, a device, or files that are not in the package is skipped, or fails with either.
Where fewer tests of a quantizer are counted, the others were not run with it.

{measured}

| quantizer | tests | passed | failed | died | skipped | programs | over 1 % | over 5 % |
|---|---|---|---|---|---|---|---|---|
"""


def read(path: Path) -> list[Record]:
    """The last result of each test there."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({(each["quantizer"], each["cls"], each["test"]): each for each in records}.values())


def word(record: Record) -> str:
    """How a test came out."""
    if "exception" in record:
        return "died"
    if record["failed"] or not record["ok"]:
        return "failed"
    return "skipped" if record["skipped"] else "passed"


def page(records: Iterable[Record]) -> str:
    """The page in Markdown."""
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        found.setdefault(record["quantizer"], {})[f"{record['cls']}.{record['test']}"] = record
    measured = "\n".join(f"- {name}: {state.counted(results.values(), 'tests')}" for name, results in found.items())
    soc = next((each["soc"] for results in found.values() for each in results.values()), "")
    rows = "".join(_row(name, results) for name, results in found.items())
    ours, theirs = found.get("qnnsolve", {}), found.get("upstream", {})
    parts = [
        HEAD.format(measured=measured, soc=soc) + rows,
        _section("Passes with `QnnQuantizer` alone", _apart(ours, theirs)),
        _section("Passes with `SolveQuantizer` alone", _apart(theirs, ours)),
        _section("Fails with either", _both(ours, theirs)),
        _section("Over 1 % with `SolveQuantizer`", _far(ours, theirs)),
    ]
    return "\n".join(parts)


def _row(name: str, results: Mapping[str, Record]) -> str:
    words = Counter(map(word, results.values()))
    errors = [rel for each in results.values() for rel in each.get("rel", ())]
    bands = (len(errors), sum(not rel <= 0.01 for rel in errors), sum(not rel <= 0.05 for rel in errors))
    cells = (name, len(results), *(words[each] for each in WORDS), *bands)
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _section(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n\n" + ("".join(f"- {line}\n" for line in lines) or "None.\n")


def _apart(these: Mapping[str, Record], others: Mapping[str, Record]) -> Iterator[str]:
    """Tests that pass among ``others`` and not among ``these``."""
    for name, record in these.items():
        if name in others and word(others[name]) == "passed" != word(record):
            yield f"`{_short(name)}`: {_why(name, record)}"


def _both(ours: Mapping[str, Record], theirs: Mapping[str, Record]) -> Iterator[str]:
    for name, record in ours.items():
        if name in theirs and {word(record), word(theirs[name])} <= {"failed", "died"}:
            yield f"`{_short(name)}`: {_why(name, record)}"


def _far(ours: Mapping[str, Record], theirs: Mapping[str, Record]) -> Iterator[str]:
    for name, record in ours.items():
        worst = max(record.get("rel", ()), default=0.0)
        if not worst <= 0.01:
            other = max(theirs.get(name, {}).get("rel", ()), default=None)
            beside = "" if other is None else f"; with `QnnQuantizer` {100 * other:.2f} %"
            yield f"`{_short(name)}`: {100 * worst:.2f} %{beside}. {REASONS.get(_short(name), '')}".rstrip()


def _why(name: str, record: Record) -> str:
    if _short(name) in REASONS:
        return REASONS[_short(name)]
    if "exception" in record:
        return str(record["exception"]["error"])
    lines = [line for _, line in record["failed"]] or record["skipped"]
    text = lines[0] if lines else "no reason given"
    return text if len(text) <= 160 else f"{text[:160]} ..."


def _short(name: str) -> str:
    return name.partition(".")[2].removeprefix("test_").removeprefix("qnn_backend_")
