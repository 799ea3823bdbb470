"""What is said of a comparison node by node."""

from __future__ import annotations

import attrs

from qnnsolve.report.comparing import compare_lines, difference_line
from qnnsolve.report.notebook import html_of
from qnnsolve.results import (
    CompareResult,
    ConvertedCheck,
    Decibels,
    EmulatedNode,
    FirstDifference,
    NodeComparison,
    Verdict,
)
from tests.records import solve_result


def sqnr(decibels: float) -> Decibels:
    """The same in every sample."""
    return Decibels(decibels, decibels, decibels, 4)


def node(name: str, path: str, own: float, accumulated: float, emulated: float | None = None) -> NodeComparison:
    """An 8-bit linear layer."""
    on = None if emulated is None else EmulatedNode(sqnr(emulated), sqnr(emulated), 2, 0.25, Verdict.AGREES)
    return NodeComparison(name, "aten.linear.default", path, "u8", sqnr(own), sqnr(accumulated), 0.02, 0.6, on)


def result(*nodes: NodeComparison, difference: FirstDifference | None = None) -> CompareResult:
    """Over four samples."""
    return CompareResult(
        solve=solve_result(),
        bound_db=20.0,
        samples=4,
        emulated=0 if difference is None else 2,
        outputs=(ConvertedCheck(0, sqnr(15.0)),),
        nodes=nodes,
        first_difference=difference,
        notes=("the emulator was not run: no kernel",) if difference is None else (),
        timings=(("compare", 1.0),),
    )


NODES = (node("a", "layers.0.up", 40, 39, 50), node("b", "layers.0.down", 35, 19, 45), node("c", "head", 12, 10, 8))


def text(found: CompareResult, *, verbose: bool = False) -> str:
    """The report."""
    return "\n".join(line.text for line in compare_lines(found, "net", verbose=verbose))


def test_the_first_node_of_each_side_is_named() -> None:
    found = result(*NODES, difference=FirstDifference("c", "aten.linear.default", "head", 7, 0.5, Verdict.DISAGREES, 3))
    said = text(found)
    at = "over 4 samples (worst"
    assert f"own error of the converted model: c (aten.linear.default) in head, 12.0 dB {at}" in said
    assert f"accumulated in the converted model: b (aten.linear.default) in layers.0.down, 19.0 dB {at}" in said
    assert (
        f"own error of the emulator against the converted model: c (aten.linear.default) in head, 8.0 dB {at}" in said
    )
    assert "c (aten.linear.default) in head: something else is computed, by up to 7 steps" in said
    assert [each and each.name for each in (found.first_own, found.first_accumulated)] == ["c", "b"]
    assert "2 % of its values beyond its range" in said and "60 % of its range unused" in said
    assert "emulator own   50.0 dB" in said


def test_modules_are_folded_as_deep_as_the_table_allows() -> None:
    many = [node(f"n{at}", f"layers.{at}.block.linear{part}", 40, 30) for at in range(30) for part in range(3)]
    lines = text(result(*many)).splitlines()
    table = lines[lines.index(next(line for line in lines if line.startswith("By module"))) + 1 :][:30]
    assert [line.split()[0] for line in table] == [f"layers.{at}.block" for at in range(30)]
    assert all(line.endswith("3 nodes") for line in table)
    figures = ": own 40.0 dB, accumulated 30.0 dB"
    assert (text(result(*many), verbose=True).count(figures), text(result(*many)).count(figures)) == (90, 10)


def test_that_no_node_differs_alone_is_said_with_its_reason() -> None:
    none = difference_line(FirstDifference(None, nodes=9, refused=("x",))).text
    assert "none of 9 nodes" in none and "fus" in none and "1 node not compared" in none
    rounding = difference_line(FirstDifference("c", "t", "", 1, 0.1, Verdict.ROUNDING, 9)).text
    assert "c (t): rounding, by up to 1 step" in rounding


def test_without_an_emulator_the_report_says_so() -> None:
    plain = [attrs.evolve(each, emulator=None) for each in NODES]
    said = text(result(*plain))
    assert "emulator: not run" in said and "the emulator was not run: no kernel" in said
    assert "none" not in said.partition("By module")[0].partition("First node below")[2]


def test_what_encodings_do_not_explain_is_named_before_any_bound() -> None:
    faulty = attrs.evolve(NODES[1], excess=30.0)
    said = text(result(NODES[0], faulty, attrs.evolve(NODES[2], excess=5.9)))
    assert "encodings explain\n  b (aten.linear.default) in layers.0.down: own 35.0 dB, and" in said
    assert "its encodings explain 65.0 dB" in said
    assert "encodings explain\n  none" in text(result(*NODES))


def test_a_notebook_shows_each_node() -> None:
    shown = html_of(result(*NODES))
    assert shown.count("aten.linear.default") >= 3 and "accumulated" in shown
