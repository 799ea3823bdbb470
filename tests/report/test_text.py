"""Reports, as text and as JSON, of results built by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from qnnsolve.cli.terminal import progress_bar
from qnnsolve.errors import BudgetExceededError, UnknownNameError, UnsatisfiableError, UnverifiedError
from qnnsolve.report.folding import names_in_short
from qnnsolve.report.json_results import dumps, error_json, export_json, solve_json
from qnnsolve.report.text import Line, export_lines, print_lines, solve_lines
from qnnsolve.results import (
    ConvertedCheck,
    Decibels,
    ExportResult,
    OutputCheck,
    SolveResult,
    Status,
    Unrunnable,
    Verdict,
    Verification,
)
from tests.records import LAYERS, conflict, export_result, solve_result

SCHEMAS = Path(__file__).parents[2] / "qnnsolve" / "schema"


def text(lines: tuple[Line, ...]) -> str:
    out = io.StringIO()
    print_lines(lines, out)
    return out.getvalue()


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}-1.json").read_text())


def validate(document: dict[str, Any], name: str) -> Any:
    """The document as a reader of the printed JSON gets it, valid by the schema."""
    read = json.loads(dumps(document), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
    jsonschema.Draft202012Validator(schema(name)).validate(read)
    return read


def test_the_text_of_an_export() -> None:
    """Read this as prose: it is what a user reads."""
    assert text(export_lines(export_result(), "examples.models:vit")) == (
        "examples.models:vit for SM8350 (HTP V68) at 16a8w\n"
        "satisfiable: 13 deviations from the request, 12 converts, 1 op left on the CPU, 1 op unverified\n"
        "cost 1,236, proven optimal: narrowed activation 1,200, convert 36\n"
        "\n"
        "Deviations (13)\n"
        "  x12 bmm..bmm_11 (aten.bmm.default): input 1 u16 -> u8  "
        "because MatMul on V68 takes no (u16, u16) -> u16 [QC001]\n"
        "  layer_norm (aten.layer_norm.default): input 1 (p_norm_weight) s16 -> s8  "
        "because LayerNorm [sic] weights are 8-bit [QH001]\n"
        "\n"
        "Converts inserted (12)\n"
        "  x12 u16 -> u8 before input 1 of bmm..bmm_11 (aten.bmm.default), 12,000 elements in all  "
        "because a convert bridges the edge [QC004]\n"
        "\n"
        "Left on the CPU by the solve (1)\n"
        "  index (aten.index.Tensor, unverified)\n"
        "\n"
        "Program: vit.pte, 1,234,567 bytes, 2 delegates\n"
        "Ops on the CPU: 1\n"
        "  index (aten.index.Tensor): ExecuTorch has no builder for it\n"
        "\n"
        "Emulator agrees with the converted model: largest error 0.4 % of the output's range (at most 1 % allowed)\n"
        "SQNR against the float model: on the emulator 35.8 dB over 4 samples (worst 35.2, median 35.5) at output 0; "
        "converted 36.5 dB over 8 samples (worst 33.5, median 36.0) at output 0\n"
        "  output 0: largest error 0.125 (0.4 % of its range), SQNR emulator 35.8 dB, converted 36.8 dB\n"
        "  output 1: largest error 0 (0 % of its range), SQNR emulator inf dB, converted inf dB\n"
        "\n"
        "Time: 10.8 s (solve 0.50, lower 10.25)\n"
    )


def test_a_disagreement_says_where() -> None:
    printed = text(export_lines(export_result(max_rel=0.73), "m.pt2"))
    assert (
        "Emulator DISAGREES with the converted model at output 0: largest error 73 % of the output's range" in printed
    )
    assert "aten.index.Tensor lies between delegates 1 and 2" in printed


NOTHING_COMPARED = Verification(float("nan"), float("nan"), 0.01, 1, (), random_outputs=(0, 1))


def test_random_outputs_are_said_to_be_so() -> None:
    checked = export_result().verification
    assert checked is not None
    one = attrs.evolve(checked, outputs=checked.outputs[:1], random_outputs=(1,))
    printed = text(export_lines(attrs.evolve(export_result(), verification=one), "m.pt2"))
    assert "agrees with the converted model" in printed
    assert "  output 0: largest error 0.125" in printed and "  output 1 is random: not compared\n" in printed
    printed = text(export_lines(attrs.evolve(export_result(), verification=NOTHING_COMPARED, converted=()), "m.pt2"))
    assert "Emulator: ran; every output is random, so there is nothing to compare\n" in printed
    assert "agrees" not in printed and "SQNR" not in printed


def with_outputs(*outputs: OutputCheck) -> ExportResult:
    verification = attrs.evolve(checked_of(export_result()), outputs=outputs)
    return attrs.evolve(export_result(), verification=verification)


def checked_of(result: ExportResult) -> Verification:
    assert result.verification is not None
    return result.verification


def test_rounding_is_said_to_be_so_whatever_its_share() -> None:
    rounded = OutputCheck(0, 1.0, 0.29, 31.0, 12, 8, Verdict.ROUNDING)
    printed = text(export_lines(with_outputs(rounded), "m.pt2"))
    said = "largest error 29 % of the output's range, 12 steps of its 8-bit encoding"
    assert f"Emulator agrees with the converted model but for rounding: {said}\n" in printed


def test_the_figure_of_a_disagreement_is_that_of_the_output_that_disagrees() -> None:
    rounded = OutputCheck(0, 1.0, 0.29, 31.0, 12, 8, Verdict.ROUNDING)
    wrong = OutputCheck(1, 1.0, 0.05, 31.0, 12, 8, Verdict.DISAGREES, place="index 3 of axis 1")
    printed = text(export_lines(with_outputs(rounded, wrong), "m.pt2"))
    assert "Emulator DISAGREES with the converted model at output 1: largest error 5 % of the output's range" in printed


def test_many_outputs_are_told_only_where_one_is_off_or_poor() -> None:
    good = [OutputCheck(index, 0.0, 0.0, 40.0) for index in range(20)]
    good[4] = OutputCheck(4, 0.0, 0.0, 12.0)
    good[9] = OutputCheck(9, 1.0, 0.5, 40.0, verdict=Verdict.ROUNDING)
    printed = text(export_lines(with_outputs(*good), "m.pt2"))
    assert [line.split(":")[0] for line in printed.splitlines() if line.startswith("  output")] == [
        "  output 4",
        "  output 9",
    ]
    assert "  18 other outputs within the tolerance\n" in printed


def test_what_is_poor_is_said_on_top_with_what_to_try() -> None:
    poor = ConvertedCheck(0, Decibels(11.25, -0.5, 17.5, 16))
    result = attrs.evolve(export_result(), converted=(poor, *export_result().converted[1:]))
    assert text(export_lines(result, "m.pt2")).splitlines()[2:4] == [
        "POOR: output 0 has 11.2 dB over 16 samples (worst -0.5, median 17.5) against the float model when converted, "
        "less than 20 dB",
        "  to try: 16-bit weights (--precision 16a16w); calibration samples without outliers, which widen every range; "
        "what loses most left in float on the CPU (--facts)",
    ]
    assert "POOR" not in text(export_lines(result, "m.pt2", least_db=11))
    assert "POOR" not in text(export_lines(export_result(), "m.pt2"))
    on_emulator = text(export_lines(export_result(), "m.pt2", least_db=36))
    assert (
        "POOR: output 0 has 35.8 dB over 4 samples (worst 35.2, median 35.5) against the float model on the"
        in on_emulator
    )
    narrow = attrs.evolve(result, solve=attrs.evolve(result.solve, precision="8a8w"), verification=None)
    assert "to try: 16-bit activations (--precision 16a8w)" in text(export_lines(narrow, "m.pt2"))


def test_what_was_fixed_is_said_on_top_and_that_nothing_is_accelerated_below() -> None:
    result = export_result()
    note = "input x: size 0 (up to 8) is fixed at 2"
    solved = attrs.evolve(result.solve, notes=(note,))
    lines = text(export_lines(attrs.evolve(result, solve=solved, delegates=0), "net")).splitlines()
    assert lines[1] == note
    program = next(at for at, line in enumerate(lines) if line.startswith("Program:"))
    assert lines[program + 1] == "Nothing runs on the accelerator"
    assert "Nothing runs" not in text(export_lines(result, "net"))


def test_an_export_without_verification_says_so() -> None:
    assert "Emulator: not run (--no-verify)" in text(
        export_lines(attrs.evolve(export_result(), verification=None, cpu_ops=()), "m.pt2")
    )


def test_a_result_without_deviations_is_exactly_as_requested() -> None:
    plain = attrs.evolve(solve_result(), nodes=(), converts=(), unverified=(), breakdown=(), cost=0)
    assert text(solve_lines(plain, "m.pt2")) == (
        "m.pt2 for SM8350 (HTP V68) at 16a8w\n"
        "satisfiable: exactly as requested\n"
        "cost 0, proven optimal\n"
        "\n"
        "Time: 0.8 s (facts 0.25, solve 0.50)\n"
    )


def test_conflicts_and_limits_are_told_apart() -> None:
    failed = attrs.evolve(solve_result(), status=Status.UNSATISFIABLE, conflicts=(conflict(),), cost=None, proof=None)
    printed = text(solve_lines(failed, "m.pt2"))
    assert "unsatisfiable: 1 conflict, no legal config exists\n" in printed
    assert "  bmm, cat: they share one tensor\n    bmm wants u8 [QH003]\n    cat wants u16 [QC004]\n" in printed
    unknown = attrs.evolve(solve_result(), status=Status.UNKNOWN, cost=None, proof=None, limit="seconds=5")
    assert "unknown: stopped at seconds=5 before any legal config was found" in text(solve_lines(unknown, "m.pt2"))
    stopped = attrs.evolve(solve_result(), proof="0.2000", limit="seconds=5")
    said = "cost 1,236, not proven optimal (stopped at seconds=5): the least possible cost is at most 20.0% lower"
    assert said in text(solve_lines(stopped, "m.pt2"))


def test_a_line_is_never_broken_and_markup_is_not_read() -> None:
    long = Line("[bold]" + "word " * 100 + ":smile: [/]")
    assert text((long,)) == long.text + "\n"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["bmm"], "bmm"),
        (["bmm", "bmm_1"], "bmm, bmm_1"),
        (["bmm", "bmm_1", "bmm_2"], "bmm..bmm_2"),
        (["bmm_3", "bmm_4", "bmm_5", "cat"], "bmm_3..bmm_5, cat"),
        (["bmm_1", "bmm_3", "bmm_5"], "bmm_1, bmm_3, bmm_5"),
        (["a", "a", "a"], "a"),
        (list("abcdefgh"), "a, b, c, d, e, f and 2 more"),
    ],
)
def test_names_in_short(names: list[str], short: str) -> None:
    assert names_in_short(names) == short


def test_different_reasons_are_not_folded() -> None:
    result = solve_result()
    first = result.nodes[0]
    other = attrs.evolve(first, deviations=(attrs.evolve(first.deviations[0], reason="something else"),))
    printed = text(solve_lines(attrs.evolve(result, nodes=(other, *result.nodes[1:])), "m"))
    assert f"x{LAYERS - 1} bmm_1..bmm_11" in printed
    assert "bmm (aten.bmm.default): input 1 (view) u16 -> u8  because something else [QC001]" in printed


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr("sys.stderr", stream)
        with progress_bar() as progress:
            assert (progress is None) == (not stream.isatty())
            if progress is not None:
                progress("calibrate", 1, 4)
                progress("calibrate", 4, 4)
                progress("lower", 0, None)
        assert ("calibrate" in stream.getvalue()) == stream.isatty()
