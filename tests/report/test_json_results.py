"""Results and errors as JSON, held to their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from qnnsolve.errors import BudgetExceededError, UnknownNameError, UnsatisfiableError, UnverifiedError
from qnnsolve.report.json_results import dumps, error_json, export_json, solve_json
from qnnsolve.report.text import export_lines
from qnnsolve.results import (
    ExportResult,
    SolveResult,
    Status,
    Unrunnable,
)
from tests.records import LAYERS, conflict, export_result, solve_result
from tests.report.shown import NOTHING_COMPARED, text

SCHEMAS = Path(__file__).parents[2] / "qnnsolve" / "schema"


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}-1.json").read_text())


def validate(document: dict[str, Any], name: str) -> Any:
    """The document as a reader of the printed JSON gets it, valid by the schema."""
    read = json.loads(dumps(document), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    jsonschema.Draft202012Validator(schema(name)).validate(read)
    return read


@pytest.mark.parametrize("status", list(Status))
def test_solve_json_holds_to_its_schema(status: Status) -> None:
    result = attrs.evolve(solve_result(), status=status, conflicts=(conflict(),))
    read = validate(solve_json(result, "m.pt2"), "solve")
    assert read["status"] == status.value
    assert len(read["nodes"]) == LAYERS + 2
    assert read["nodes"][0]["deviation"][0]["chosen"] == "u8"
    assert read["nodes"][0]["reason"] == "MatMul on V68 takes no (u16, u16) -> u16 [QC001]"
    assert read["nodes"][-1]["reason"] is None


@pytest.mark.parametrize("max_rel", [0.0, 0.5, float("nan"), float("inf")])
def test_export_json_holds_to_its_schema(max_rel: float) -> None:
    read = validate(export_json(export_result(max_rel), "m.pt2"), "export")
    expected = max_rel if max_rel in (0.0, 0.5) else str(max_rel)
    assert read["verification"]["emulator_vs_converted_max_rel"] == expected
    assert read["verification"]["outputs"][1]["sqnr_db"] == "inf"
    assert read["verification"]["verdict"] == read["verification"]["outputs"][0]["verdict"]
    assert read["verification"]["verdict"] == ("agrees" if max_rel == 0 else "disagrees")
    assert read["verification"]["outputs"][0]["converted_sqnr"]["together"] == 36.75
    assert read["converted"][0] == {"index": 0, "sqnr": {"together": 36.5, "worst": 33.5, "median": 36.0, "samples": 8}}
    assert read["timings"] == {"solve": 0.5, "lower": 10.25}
    assert read["peaks"][1] == {"stage": "lower", "own_mb": 1000, "child_mb": 2500}
    unverified = validate(export_json(attrs.evolve(export_result(), verification=None), "m.pt2"), "export")
    assert unverified["verification"] is None
    read = validate(export_json(attrs.evolve(export_result(), verification=NOTHING_COMPARED), "m.pt2"), "export")
    assert [read["verification"][key] for key in ("agrees", "sqnr_db", "random_outputs")] == [None, "nan", [0, 1]]
    kernel = Unrunnable("aten::sort.values", ("sort",), "no such kernel")
    unrunnable = validate(export_json(attrs.evolve(export_result(), unrunnable=(kernel,)), "m.pt2"), "export")
    assert unrunnable["unrunnable"] == [{"kernel": "aten::sort.values", "nodes": ["sort"], "why": "no such kernel"}]


def test_export_json_has_every_field_of_solve_json() -> None:
    assert set(solve_json(solve_result(), "m")) < set(export_json(export_result(), "m"))


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("SoC", "SM8351", ["SM8350"]),
        UnverifiedError((("index", "aten.index.Tensor"),), "SM8350"),
        BudgetExceededError("60 s"),
        ValueError("not ours"),
    ],
)
def test_error_json_holds_to_its_schema(error: Exception) -> None:
    read = validate(error_json(error, 2), "error")
    assert read["error"]["message"] == str(error)


def test_unverified_nodes_are_data_in_error_json() -> None:
    read = error_json(UnverifiedError((("index", "aten.index.Tensor"),), "SM8350"), 1)
    assert read["error"]["details"]["nodes"] == [["index", "aten.index.Tensor"]]


@pytest.mark.parametrize("name", ["solve", "export", "error"])
def test_schemas_are_valid_closed_and_named_for_their_version(name: str) -> None:
    document = schema(name)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["properties"]["schema"]["const"] == f"qnnsolve/{name}/1"
    for definition in (document, *document.get("$defs", {}).values()):
        if "properties" in definition:
            assert definition["additionalProperties"] is False
            assert set(definition["required"]) == set(definition["properties"]) - {"limit"}, (
                "only a limit may be absent"
            )


def test_what_both_schemas_define_they_define_alike() -> None:
    solve, export = schema("solve"), schema("export")
    for name, definition in solve["$defs"].items():
        assert export["$defs"][name] == definition
    for name, definition in solve["properties"].items():
        assert name == "schema" or export["properties"][name] == definition


def test_same_result_same_bytes() -> None:
    def render(result: SolveResult, export: ExportResult) -> str:
        return dumps(solve_json(result, "m")) + text(export_lines(export, "m"))

    assert render(solve_result(), export_result()) == render(solve_result(), export_result())


class ClashingNodes:
    """As much of the solver's ``Conflict`` as an error shows."""

    nodes = ("cat", "bmm")


def test_conflicts_are_data_in_error_json() -> None:
    stand_in: Any = ClashingNodes()
    read = validate(error_json(UnsatisfiableError((stand_in,), ("bmm wants u8, cat wants u16",)), 1), "error")
    assert read["error"]["details"]["conflicts"] == [
        {"nodes": ["bmm", "cat"], "text": "bmm wants u8, cat wants u16"},
    ]
