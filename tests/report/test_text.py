"""Reports, as text, of results built by hand."""

from __future__ import annotations

import attrs

from qnnsolve.report.text import Line, export_lines, solve_lines
from qnnsolve.results import (
    ConvertedCheck,
    Decibels,
    ExportResult,
    OutputCheck,
    Status,
    Verdict,
    Verification,
)
from tests.records import conflict, export_result, solve_result
from tests.report.shown import NOTHING_COMPARED, text


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
        "Memory: 3,500 MB at most (by the end of solve 900, lower 1,000 + 2,500)\n"
    )


def test_what_costs_something_without_a_deviation_are_fixed_scales() -> None:
    paid = attrs.evolve(solve_result(), breakdown=(("deviations [QC006]", 3),), cost=3)
    assert "cost 3, proven optimal: deviations [QC006] 3\n" in text(solve_lines(paid, "m.pt2"))
    as_asked = attrs.evolve(paid, nodes=tuple(attrs.evolve(each, deviations=()) for each in paid.nodes))
    assert "cost 3, proven optimal: fixed scales [QC006] 3\n" in text(solve_lines(as_asked, "m.pt2"))


def test_a_disagreement_says_where() -> None:
    printed = text(export_lines(export_result(max_rel=0.73), "m.pt2"))
    assert (
        "Emulator DISAGREES with the converted model at output 0: largest error 73 % of the output's range" in printed
    )
    assert "aten.index.Tensor lies between delegates 1 and 2" in printed


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
