"""Every why and why-not reads well: short, without internal names, each leaf with a source; and what is not shown is
said."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

import attrs
import pytest
import torch

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.questions import Clashing, ExplanationStep, Opened, conflicts_of, places, why_not
from qnnsolve.report.questions import step_lines, why_lines
from qnnsolve.results import SourceRecord
from qnnsolve.rules.requested import PINNED
from tests.nets import ConvNet, seeded
from tests.questions.readable import every_question
from tests.runs.kept import blocks, facts, solved


def test_every_why_and_why_not_of_every_port_is_short_and_has_its_sources() -> None:
    asked = [*every_question(Opened.of(solved(facts(blocks(2)))))]
    assert [(each.place, each.value, fault) for each in asked for fault in each.faults()] == []
    lengths = [len(each.lines) for each in asked]
    assert statistics.median(lengths) <= 12 and max(lengths) <= 20
    verdicts = Counter(each.answer.verdict.name for each in asked)
    assert len(asked) > 300 and min(verdicts[name] for name in ("CHOSEN", "DEARER", "OFF", "IMPOSSIBLE")) > 10


USER, MEASURED = SourceRecord("user", "--pin a"), SourceRecord("measured", "probe, qnn v2.51.0.2609, executorch 1.5.1")
ASSUMED = SourceRecord("document", "ExecuTorch 1.5.1, qconfig.py: presets")
STEPS = (
    ExplanationStep("a is asked for", "QC010", (USER,)),
    ExplanationStep("b follows", "QC001", (MEASURED,), (0,)),
    ExplanationStep("c is so", "QC011", (ASSUMED,)),
    ExplanationStep("d follows of all", "QC002", (MEASURED,), (0, 1, 2)),
)


def text(steps: tuple[ExplanationStep, ...], depth: int | None = None) -> list[str]:
    return [line.text.strip() for line in step_lines(steps, depth)]


def test_a_step_that_several_rest_on_is_printed_once_and_cited() -> None:
    assert text(STEPS) == [
        "because a is asked for [QC010] (you) (1)",
        "and b follows [QC001] (measured with QNN 2.51) (2)",
        "and c is so [QC011] (assumed: ExecuTorch 1.5.1)",
        "therefore d follows of all, by (1) and (2) [QC002] (measured with QNN 2.51)",
    ]


def test_depth_leaves_out_what_is_far_from_the_verdict_and_says_so() -> None:
    assert text(STEPS, 1) == [
        "(3 earlier steps; --depth 3 shows them)",
        "because d follows of all [QC002] (measured with QNN 2.51)",
    ]
    assert text(STEPS, 2)[0] == "(1 earlier step; --depth 3 shows it)"
    assert len(text(STEPS, 2)) == 4
    assert text(STEPS, 3) == text(STEPS)


def test_hints_stand_apart_from_the_steps() -> None:
    opened = Opened.of(solved(facts(blocks(1))))
    (place,) = places(opened, "scores_0.in[1]")
    lines = [line.text for line in why_lines([why_not(opened, place, "s16")])]
    assert lines[-2] == "" and lines[-1].startswith("  hint: from V73 (SM8550) on MatMul takes")


def run(path: Path, *pins: str) -> Path:
    net, image = seeded(ConvNet), torch.randn(1, 3, 16, 16)
    solve(net, (image,), soc="SM8450", precision="16a8w", pin=pins, strict=False, save=path)
    return path


def test_among_the_conflicts_the_one_with_the_fewest_wishes_comes_first(tmp_path: Path) -> None:
    pins = ("conv@out=u8", "op:aten.relu@out=u16", "classify=16w")
    found = conflicts_of(Clashing.of(load_run(run(tmp_path / "run.qnn", *pins))))
    assert [each.pins for each in found] == [("pin classify=16w",), ("pin conv@out=u8", "pin op:aten.relu@out=u16")]


def test_what_the_facts_alone_forbid_is_not_laid_at_the_door_of_a_pin(tmp_path: Path) -> None:
    opened = Opened.of(load_run(run(tmp_path / "run.qnn", "linear@weight=8w", "linear@out=u16")))
    assert any(c.reason.rule == PINNED for c in opened.problem.constraints)
    (place,) = places(opened, "linear.weight")
    answer = why_not(opened, place, "s16/ch0")
    assert all(PINNED not in step.rule for step in answer.steps), "V69 has no such row, whatever is pinned"


def test_the_command_has_a_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run(tmp_path / "run.qnn", "conv@out=u8", "op:aten.relu@out=u16")
    assert main(["conflicts", str(path), "--depth", "1"]) == 1
    out = capsys.readouterr().out
    assert "(2 earlier steps; --depth 2 shows them)" in out and out.count("because") == 1


def test_a_fault_is_found() -> None:
    good = next(each for each in every_question(Opened.of(solved(facts(blocks(1))))) if each.answer.steps)
    assert not [*good.faults()]
    bad = attrs.evolve(good, answer=attrs.evolve(good.answer, steps=(ExplanationStep("Site('a')"),) * 3))
    assert {fault.partition(":")[0] for fault in bad.faults()} == {"an internal name", "a clause twice", "no source"}
