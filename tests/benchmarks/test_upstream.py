"""How the results of ExecuTorch's own test suite are told; the suite itself takes an hour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.upstream.page import page, read, word

PASSED = {"ok": True, "failed": [], "skipped": [], "rel": [0.004]}
FAILED = {**PASSED, "ok": False, "failed": [["{'i': 0}", "AssertionError: 2 != 1"]]}
SKIPPED = {**PASSED, "skipped": ["needs a device"], "rel": []}
DIED = {"exception": {"stage": "qnnsolve", "error": "the child died (-11)", "backend": ""}}


def record(quantizer: str, name: str, outcome: dict[str, Any]) -> dict[str, Any]:
    at = {"commit": "abc1234", "date": "2026-11-26", "soc": "SM8750"}
    return {"quantizer": quantizer, "cls": "Operators", "test": f"test_qnn_backend_{name}", **at, **outcome}


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(PASSED, "passed"), (FAILED, "failed"), (SKIPPED, "skipped"), (DIED, "died"), ({**FAILED, **SKIPPED}, "skipped")],
)
def test_each_outcome_has_its_word(outcome: dict[str, Any], kind: str) -> None:
    assert word(record("qnnsolve", "add", outcome)) == kind


def test_the_page_tells_who_passes_what() -> None:
    found = [
        record("qnnsolve", "add", FAILED),
        record("upstream", "add", PASSED),
        record("qnnsolve", "sub", {**PASSED, "rel": [0.03, 0.06]}),
        record("upstream", "sub", DIED),
        record("qnnsolve", "mul", DIED),
        record("upstream", "mul", FAILED),
        record("qnnsolve", "only_here", FAILED),
    ]
    text = page(found)
    alone, ours, either, far = (part.partition("\n\n")[2] for part in text.split("## ")[1:])
    assert alone == "- `add`: AssertionError: 2 != 1\n\n"
    assert ours == "- `sub`: the child died (-11)\n\n"
    assert either == "- `mul`: the child died (-11)\n\n"
    assert far == "- `sub`: 6.00 %.\n"
    assert "| qnnsolve | 4 | 1 | 2 | 1 | 0 | 4 | 2 | 1 |" in text
    assert "- qnnsolve: 4 tests at abc1234 on 2026-11-26" in text


def test_the_last_result_of_a_test_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(record("qnnsolve", "add", each)) + "\n" for each in (FAILED, PASSED)))
    assert [word(each) for each in read(path)] == ["passed"]
    assert read(tmp_path / "none.jsonl") == []
