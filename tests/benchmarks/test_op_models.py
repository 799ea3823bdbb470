"""How the benchmark of op models counts what it found; the models themselves take the real compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.op_models import BORDER, CONFIGS, details, one, parsed, table, verdict

KEPT = ["add", "aten.add.Tensor", "left on the CPU by the solver"]
SAID = ["add", "aten.add.Tensor", "takes no int64"]


def record(**fields: Any) -> dict[str, Any]:
    given = {"soc": "SM8750", "precision": "8a8w", "case": "add", "quantizer": "qnnsolve"}
    return {**given, "delegates": 1, "cpu_ops": [], "predicted": [], "max_rel": 0.004, **fields}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "delegated"),
        ({"delegates": 0}, "nothing to run"),
        ({"cpu_ops": [KEPT], "predicted": [SAID]}, "reported"),
        ({"cpu_ops": [KEPT, ["dq", "dequantize", BORDER]], "predicted": [SAID]}, "reported"),
        ({"cpu_ops": [KEPT]}, "mispredicted"),
        ({"exception": {"stage": "lower", "error": "RuntimeError", "backend": ""}}, "exception"),
        ({"exception": {"stage": "export", "error": "RuntimeError", "backend": ""}}, "not exportable"),
        ({"skipped": "no weights"}, "skipped"),
    ],
)
def test_each_outcome_has_its_word(fields: dict[str, Any], word: str) -> None:
    assert verdict(record(**fields)) == word


def test_upstream_predicts_nothing() -> None:
    upstream = record(quantizer="upstream", cpu_ops=[KEPT])
    del upstream["predicted"]
    assert verdict(upstream) == "partly"


def test_the_table_counts_models_and_bands_of_error() -> None:
    rows = [record(), record(max_rel=0.02), record(max_rel=0.5), record(skipped="no weights"), record(max_rel=None)]
    (line,) = table(rows).splitlines()[2:]
    assert line == "| SM8750 | 8a8w | qnnsolve | 4 | 4 | 0 | 0 | 0 | 0 | 0 | 1 | 2 | 1 |"


def test_details_name_the_surprise_and_not_what_was_foreseen() -> None:
    surprise = record(cpu_ops=[KEPT, ["mul", "aten.mul.Tensor", "rejected"]], predicted=[SAID])
    said = details([surprise])
    assert "mul (aten.mul.Tensor): rejected" in said and "add (" not in said


def test_the_options_name_the_configurations() -> None:
    assert parsed([]).configs == list(CONFIGS)
    assert parsed(["--soc", "SM8350"]).configs == [("SM8350", "16a8w"), ("SM8350", "16a16w")]
    assert parsed(["--soc", "SM8550", "--precision", "8a8w"]).configs == [("SM8550", "8a8w")]


class Scripted:
    """A worker whose answers are given; after a stop, those of a fresh process."""

    def __init__(self, used: dict[str, Any], fresh: dict[str, Any]) -> None:
        self.used, self.fresh, self.asked = used, fresh, 0

    def ask(self, job: Any, seconds: float) -> dict[str, Any]:
        self.asked += 1
        return {**self.used, "seconds": 1.0}

    def stop(self) -> None:
        self.used = self.fresh


BROKEN = {"exception": {"stage": "lower", "error": "AssertionError", "backend": ""}}
UNFIT = {"exception": {"stage": "export", "error": "RuntimeError", "backend": ""}}
COMPILED = {"delegates": 1, "cpu_ops": [], "predicted": []}


@pytest.mark.parametrize(
    ("compiled", "ran", "counts", "asked"),
    [
        (({}, {}), ({"max_rel": 0.004}, {"max_rel": 0.0}), {"max_rel": 0.004}, 1),
        (({}, {}), ({"max_rel": 0.4}, {"max_rel": 0.0}), {"max_rel": 0.0, "used": 0.4}, 2),
        (({}, {}), ({"max_rel": 0.4}, {"max_rel": 0.3}), {"max_rel": 0.3, "used": 0.4}, 2),
        ((BROKEN, {}), ({"max_rel": 0.0}, {"max_rel": 0.0}), {"max_rel": 0.0, "used": "AssertionError"}, 2),
        ((BROKEN, BROKEN), ({}, {}), {**BROKEN, "used": "AssertionError"}, 2),
        ((UNFIT, {}), ({}, {}), UNFIT, 1),
    ],
)
def test_what_used_processes_may_have_spoilt_is_measured_again(
    compiled: Any, ran: Any, counts: dict[str, Any], asked: int, tmp_path: Path
) -> None:
    workers: Any = [Scripted(*({**COMPILED, **each} for each in compiled)), Scripted(*ran)]
    found = one(record(), workers[0], workers[1], tmp_path)
    assert {key: found.get(key) for key in counts} == counts and ("used" in found) == ("used" in counts)
    assert workers[0].asked == asked


def test_details_say_what_only_used_processes_had() -> None:
    said = details([record(used=0.4), record(used="AssertionError")])
    assert "in used ones: an error of 40.000%" in said and "in used ones: AssertionError" in said
