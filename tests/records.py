"""Results as the pipeline would give them, built by hand: what the tests of reports and of the command line print."""

from __future__ import annotations

from qnnsolve.results import (
    ConflictRecord,
    ConvertedCheck,
    ConvertRecord,
    CpuOp,
    Decibels,
    Deviation,
    ExportResult,
    NodeRecord,
    OutputCheck,
    Placement,
    SolveResult,
    Status,
    Verdict,
    Verification,
)

LAYERS = 12


def numbered(name: str, index: int) -> str:
    return name if index == 0 else f"{name}_{index}"


def matmul(index: int) -> NodeRecord:
    name, softmax, value = numbered("bmm", index), numbered("softmax", index), numbered("view", 3 * index)
    return NodeRecord(
        name=name,
        target="aten.bmm.default",
        qnn_op="MatMul",
        module_path=f"encoder.layer.{index}.attention",
        inputs=((softmax, "u16"), (value, "u8")),
        output="u16",
        placement=Placement.NPU,
        deviations=(Deviation(f"{value} -> {name}", "u16", "u8", "MatMul on V68 takes no (u16, u16) -> u16", "QC001"),),
    )


def convert(index: int) -> ConvertRecord:
    producer, user = numbered("view", 3 * index), numbered("bmm", index)
    return ConvertRecord(producer, user, "u16", "u8", 1000, 3, "a convert bridges the edge", "QC004")


def solve_result() -> SolveResult:
    norm = NodeRecord(
        name="layer_norm",
        target="aten.layer_norm.default",
        qnn_op="LayerNorm",
        module_path="encoder.norm",
        inputs=(("add_3", "u16"), ("p_norm_weight", "s8")),
        output="u16",
        placement=Placement.NPU,
        deviations=(
            Deviation("p_norm_weight -> layer_norm", "s16", "s8", "LayerNorm [sic] weights are 8-bit", "QH001"),
        ),
    )
    index = NodeRecord("index", "aten.index.Tensor", None, "", (("x", "float"),), "float", Placement.CPU)
    return SolveResult(
        status=Status.SATISFIABLE,
        proof="optimal",
        cost=1236,
        breakdown=(("narrowed activation", 1200), ("convert", 36)),
        backend="htp",
        soc="SM8350",
        arch="V68",
        precision="16a8w",
        nodes=(*(matmul(layer) for layer in range(LAYERS)), norm, index),
        converts=tuple(convert(layer) for layer in range(LAYERS)),
        unverified=(("index", "aten.index.Tensor"),),
        conflicts=(),
        timings=(("facts", 0.25), ("solve", 0.5)),
    )


def conflict() -> ConflictRecord:
    return ConflictRecord(("bmm", "cat"), ("bmm wants u8 [QH003]", "cat wants u16 [QC004]"), "they share one tensor")


INF = float("inf")
EXACT = Decibels(INF, INF, INF, 4)


def export_result(max_rel: float = 0.004) -> ExportResult:
    first = OutputCheck(
        0,
        0.125,
        max_rel,
        35.25,
        verdict=Verdict.AGREES if max_rel <= 0.01 else Verdict.DISAGREES,
        emulator=Decibels(35.75, 35.25, 35.5, 4),
        converted=Decibels(36.75, 36.25, 36.5, 4),
    )
    note = None if max_rel <= 0.01 else "output 0 differs; aten.index.Tensor lies between delegates 1 and 2"
    return ExportResult(
        solve=solve_result(),
        delegates=2,
        cpu_ops=(CpuOp("index", "aten.index.Tensor", "ExecuTorch has no builder for it"),),
        pte="vit.pte",
        pte_bytes=1234567,
        verification=Verification(
            max_rel,
            35.25,
            0.01,
            4,
            (first, OutputCheck(1, 0.0, 0.0, INF, emulator=EXACT, converted=EXACT)),
            note,
        ),
        timings=(("solve", 0.5), ("lower", 10.25)),
        peaks=(("solve", 900, 0), ("lower", 1000, 2500)),
        converted=(ConvertedCheck(0, Decibels(36.5, 33.5, 36.0, 8)), ConvertedCheck(1, EXACT)),
    )
