"""Where two precisions meet: every case is whole or refused as its page says, and a sample of them on the emulator."""

from __future__ import annotations

import argparse
import copy
import math
from pathlib import Path

import pytest
import torch
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from benchmarks.boundaries.__main__ import run
from benchmarks.boundaries.case import Boundary
from benchmarks.boundaries.cases import boundaries, settings_of
from benchmarks.boundaries.kept import unkept
from benchmarks.boundaries.page import cell, faults, page, word
from qnnsolve import SolveQuantizer
from qnnsolve.errors import UnsatisfiableError, UsageError
from qnnsolve.results import Placement
from qnnsolve.verification.noise import sqnr_db

PAGE = Path(__file__).parents[2] / "docs" / "boundaries.md"
SAMPLE = (
    "cat of three at 16",
    "where at 16",
    "one convert for two",
    "tied with the head, at 16 after 8",
    "max pool at 16, 16 to 8",
    "keys and values at 8",
    "cache at 8, index put",
)


def as_told() -> dict[str, str]:
    """By case, what the page says of SM8750."""
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| ").partition(": ")[2]: row[2] for row in rows if ": " in row[0]}


def test_the_page_has_every_case() -> None:
    assert list(as_told()) == list(boundaries()) and len(boundaries()) >= 60


@pytest.mark.filterwarnings("ignore:.isinstance.treespec:FutureWarning")  # torch 2.13, of ExecuTorch's own passes
@pytest.mark.parametrize("name", boundaries())
def test_each_is_whole_or_refused_before_calibration_as_the_page_says(name: str) -> None:
    case = boundaries()[name]
    told = as_told()[name].partition(",")[0]
    assert told in ("whole", "refused")
    module, samples = case.form.module(), case.form.samples()
    graph = torch.export.export(copy.deepcopy(module), samples[0]).module()
    quantizer = SolveQuantizer("htp", "SM8750", precision=case.precision)
    for pin in case.pins:
        quantizer.wish(pin, pin=True)
    if told == "refused":
        with pytest.raises((UnsatisfiableError, UsageError)) as caught:
            prepare_pt2e(graph, quantizer)
        assert any(pin.partition("=")[2] in str(caught.value) for pin in case.pins)
        return
    with torch.no_grad():
        prepared = prepare_pt2e(graph, quantizer)
        for sample in samples[:2]:
            prepared(*copy.deepcopy(sample))
        converted = convert_pt2e(prepared)
        got = pytree.tree_leaves(fresh(converted, module)(*copy.deepcopy(samples[0])))
        wanted = pytree.tree_leaves(copy.deepcopy(module)(*copy.deepcopy(samples[0])))
    assert quantizer.result is not None
    assert unkept(converted, case.pins) == []
    assert [node.name for node in quantizer.result.nodes if node.placement is Placement.CPU] == []
    floats = [(mine, own) for mine, own in zip(got, wanted, strict=True) if own.is_floating_point()]
    assert all(sqnr_db(mine, own) > 18 for mine, own in floats)


def fresh(converted: torch.fx.GraphModule, module: torch.nn.Module) -> torch.fx.GraphModule:
    """States as they were before calibration wrote to them."""
    before = dict(module.named_buffers())
    for name, buffer in converted.named_buffers():
        if name in before:
            buffer.copy_(before[name])
    return converted


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["SM8750", "SM8350"])
def test_a_sample_is_right_on_the_emulator(soc: str) -> None:
    """All of a chip in two children, as the page is made: each start takes longer than a case."""
    records = run(argparse.Namespace(soc=[soc], quantizers=("qnnsolve",), match=SAMPLE, out=None))
    assert {each["case"] for each in records} >= set(SAMPLE)
    assert faults(records) == []
    assert {(word(each), each["delegates"]) for each in records} == {("whole", 1)}
    assert all(each["max_rel"] <= 0.01 for each in records)


RAISED = {"stage": "prepare", "error": "UnsatisfiableError", "backend": "", "refused": True}


def record(**fields: object) -> dict[str, object]:
    given = {"soc": "SM8750", "case": "add at 8", "quantizer": "qnnsolve", "delegates": 1, "cpu_ops": []}
    return {**given, "converts": 1, "max_rel": 0.004, **fields}


@pytest.mark.parametrize(
    ("fields", "kind", "wrong"),
    [
        ({}, "whole", False),
        ({"max_rel": 0.02}, "whole", True),
        ({"max_rel": math.nan}, "whole", True),
        ({"exception": RAISED}, "refused", False),
        ({"exception": {**RAISED, "refused": False}}, "fails in prepare", True),
        ({"exception": {**RAISED, "stage": "lower"}}, "fails in lower", True),
        ({"cpu_ops": [["add", "aten.add.Tensor", "rejected"]]}, "partly: `aten.add.Tensor`", True),
    ],
)
def test_each_outcome_has_its_word(fields: dict[str, object], kind: str, wrong: bool) -> None:
    assert word(record(**fields)) == kind and bool(faults([record(**fields)])) == wrong


def test_the_page_counts_and_compares() -> None:
    text = page([record(converts=2), record(quantizer="upstream")])
    assert "SM8750, qnnsolve: of 1: 1 whole, 0 refused" in text
    assert "(1 programs): 2 here, 1 with upstream; more here than there: add at 8 on SM8750 (2 and 1)" in text
    assert cell(record()) == "whole, 1, 0.40 %"


def test_wishes_that_presets_cannot_say_are_not_compared() -> None:
    case: Boundary = boundaries()["relu from 8 to 16"]
    assert settings_of(case) is None and settings_of(boundaries()["add at 8"]) is not None
