"""What an export and a search of :func:`tests.runs.kept.blocks` might have answered."""

from __future__ import annotations

import math

from qnnsolve.results import (
    CompareResult,
    ConvertedCheck,
    CpuOp,
    Decibels,
    EmulatedNode,
    ExportResult,
    FirstDifference,
    NodeComparison,
    OutputCheck,
    SearchPoint,
    SearchResult,
    SensitivityRecord,
    UniformRecord,
    Verdict,
    Verification,
)
from tests.runs.kept import blocks, facts, solved


def exported() -> ExportResult:
    near = Decibels(31.0, 30.5, 31.0, 4)
    check = OutputCheck(
        0, 0.5, 0.02, 29.0, 4, 8, Verdict.ROUNDING, Decibels(30.0, 29.0, 30.0, 2), Decibels(31.0, 30.0, 31.0, 2)
    )
    return ExportResult(
        solve=solved(facts(blocks(1))).result,
        delegates=1,
        cpu_ops=(CpuOp("gelu_0", "aten.gelu.default", "nobody <b>knows</b>"),),
        pte="net.pte",
        pte_bytes=123_456,
        verification=Verification(0.02, 29.0, 0.01, 2, (check,), "output 0 rounds"),
        timings=(("lower", 2.5),),
        converted=(ConvertedCheck(0, near),),
    )


def searched() -> SearchResult:
    def point(weights: float, measured: float, *differs: tuple[str, str]) -> SearchPoint:
        amounts = {"weights": weights, "converts": 2.0}
        return SearchPoint(
            {"weights": weights}, amounts, measured + 1, measured + 1, 0.0, {"weights": 0.25}, "exact", measured, None,
            "optimum", differs,
        )  # fmt: skip

    return SearchResult(
        soc="SM8350",
        candidates=("8a8w", "16a8w"),
        samples=2,
        directions=8,
        points=(point(1000.0, 20.0, ("gelu_0", "u8")), point(2000.0, 30.0)),
        uniforms=(UniformRecord("8a8w", {"weights": 1500.0, "converts": 0.0}, 21.0, math.inf),),
        sensitivities=(SensitivityRecord("linear_0 -> mixed_0", "u8", 0.01, 20.0),),
        passes={"forward": 2, "backward": 2, "trying": 1, "measuring": 2},
        notes=("a note",),
        timings=(),
        axis="weights",
        target=None,
    )


def compared() -> CompareResult:
    """The first of a block's nodes is good, its Gelu on the emulator is not, and its sum has lost what was left."""

    def decibels(value: float) -> Decibels:
        return Decibels(value, value - 1, value, 4)

    def node(name: str, own: float, accumulated: float, emulated: float) -> NodeComparison:
        far, apart = decibels(emulated), 0.25 if emulated < 20 else 0.0
        on = EmulatedNode(far, far, 9, apart, Verdict.DISAGREES if apart else Verdict.AGREES)
        return NodeComparison(name, "aten.x", "", "u8", decibels(own), decibels(accumulated), 0.02, 0.6, on)

    solve = solved(facts(blocks(1))).result
    names = [each.name for each in solve.nodes]
    return CompareResult(
        solve=solve,
        bound_db=20.0,
        samples=4,
        emulated=2,
        outputs=(ConvertedCheck(0, decibels(15.0)),),
        nodes=(
            *(node(name, 45.0, 40.0, 50.0) for name in names[: names.index("gelu_0")]),
            node("gelu_0", 35.0, 25.0, 12.0),
            node("add_0", math.inf, 15.0, math.inf),
        ),
        first_difference=FirstDifference("gelu_0", "aten.gelu.default", "", 9, 0.25, Verdict.DISAGREES, 8),
        notes=("a <b>note</b>",),
        timings=(),
    )
