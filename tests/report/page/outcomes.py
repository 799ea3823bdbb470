"""What an export and a search of :func:`tests.runs.kept.blocks` might have answered."""

from __future__ import annotations

import math

from qnnsolve.results import (
    ConvertedCheck,
    CpuOp,
    Decibels,
    ExportResult,
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
