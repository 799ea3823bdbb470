"""How the benchmark of op models counts what it found; the models themselves take the real compiler."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.op_models import BORDER, CONFIGS, details, parsed, table, verdict

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
