"""The emulator against the converted model, node by node. Torch plays the emulator where its fusions do not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.fx import GraphModule

from benchmarks.planted_faults import coarse_output, wrong_weight_scale
from qnnsolve import cli, pipeline
from qnnsolve.errors import HostBackendError
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import Lowered, lower
from qnnsolve.models.tracing import exported
from qnnsolve.pipeline.steps import conversion, located
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.report.comparing import difference_line
from qnnsolve.report.json_results import first_difference_json
from qnnsolve.results import Verdict
from qnnsolve.verification import other_rounding
from qnnsolve.verification.local import LocalChecks, local_checks
from qnnsolve.verification.quantized_nodes import op_behind
from qnnsolve.verification.taps import taps
from tests.cli.documents import hold
from tests.comparing.small import MODELS, Small, small

FAULTS = {
    "resnet": ("conv2d_3", "add_tensor"),
    "vit": ("linear_4", "layer_norm_2"),
    "minilm": ("linear_4", "bmm_1"),
}
Compiled = Callable[[GraphModule], list[tuple[torch.Tensor, ...]]]


def run_by(model: Small) -> Compiled:
    """Torch in place of compiler and emulator."""
    return lambda module: [module(*sample) for sample in model.samples]


def checked(
    model: Small, compiled: Compiled | None = None, faulty: GraphModule | None = None, tolerance: float = 0.01
) -> LocalChecks:
    """All taps of ``model``."""
    both, run = model.both, compiled or run_by(model)
    with torch.no_grad():
        return local_checks(both.converted, both.original, model.samples, run, tolerance=tolerance, faulty=faulty)


@pytest.mark.parametrize("name", MODELS)
def test_a_fault_in_the_program_alone_is_the_first_node_named(name: str) -> None:
    model = small(name)
    clean = checked(model)
    assert clean.first({}).node is None and clean.first({}).nodes == len(taps(model.both.converted)) > 8
    assert all(each.check.max_abs == 0 for each in clean.checks)
    for plant, node in zip((wrong_weight_scale, coarse_output), FAULTS[name], strict=True):
        faulty = small(name).both.converted
        plant(faulty, node)
        found = checked(model, faulty=faulty).first({node: "a.b"})
        assert (found.node, found.module_path, found.verdict) == (node, "a.b", Verdict.DISAGREES)
        assert found.steps > 2 and found.apart > 0


def outputs_of(module: GraphModule) -> list[str]:
    """The taps that a tapped model returns."""
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    returned: Any = output.args[0]
    return [node.all_input_nodes[0].name for node in returned]


def test_what_is_one_step_apart_is_rounding_and_told_as_such() -> None:
    model = small("resnet")
    (tap,) = (each for each in taps(model.both.converted) if op_behind(each).name == "conv2d_1")

    def by_one_step(module: GraphModule) -> list[tuple[torch.Tensor, ...]]:
        at = outputs_of(module).index(tap.name)
        found = [list(outputs) for outputs in run_by(model)(module)]
        for outputs in found:
            outputs[at] = outputs[at] + float(tap.args[1]) * (torch.rand_like(outputs[at]) < 0.02)  # type: ignore[arg-type]
        return [tuple(outputs) for outputs in found]

    torch.manual_seed(0)
    assert checked(model, by_one_step).first({}).node is None, "within the tolerance"
    torch.manual_seed(0)
    found = checked(model, by_one_step, tolerance=0.001).first({})
    assert (found.node, found.verdict, found.steps) == ("conv2d_1", Verdict.ROUNDING, 1)
    assert 0.01 < found.apart < 0.03


def test_an_op_that_reads_a_step_beside_what_is_shown_is_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator puts out values that are rounded apart from those that the next op reads."""
    model = small("minilm")

    def shown_apart(module: GraphModule) -> list[tuple[torch.Tensor, ...]]:
        generator = torch.Generator().manual_seed(1)
        every = {tap.name: tap for tap in taps(model.both.converted)}
        named = [(every[tap], float(every[tap].args[1])) for tap in outputs_of(module)]  # type: ignore[arg-type]

        def apart(value: torch.Tensor, scale: float) -> torch.Tensor:
            drawn = torch.rand(value.shape, generator=generator)
            return value + scale * ((drawn < 0.1).float() - (drawn > 0.9).float())

        return [
            tuple(
                other_rounding.on_grid(tap, apart(value, scale))
                for (tap, scale), value in zip(named, each, strict=True)
            )
            for each in run_by(model)(module)
        ]

    with torch.no_grad():
        found = checked(model, shown_apart, tolerance=0.001)
        assert [each.node.name for each in found.checks if each.check.verdict is Verdict.DISAGREES] == []
        assert max(each.check.steps or 0 for each in found.checks) > 1
        monkeypatch.setattr("qnnsolve.verification.local.otherwise_rounded", lambda _, values, __: values)
        strict = checked(model, shown_apart, tolerance=0.001)
    assert any(each.check.verdict is Verdict.DISAGREES for each in strict.checks), "it is needed"


def test_what_is_rounded_otherwise_is_within_the_encoding_and_the_same_each_time() -> None:
    model = small("resnet")
    every = taps(model.both.converted)
    (tap,) = (each for each in every if op_behind(each).name == "conv2d_1")
    arguments: Any = tap.args
    _, scale, zero, least, most, *_ = arguments
    low, high = scale * (least - zero), scale * (most - zero)
    value = torch.linspace(low, high, 256).repeat(100)
    once, again = (other_rounding.otherwise_rounded(every, {tap.name: value}, 0)[tap.name] for _ in range(2))
    steps = ((once - value) / scale).round()
    assert torch.equal(once, again) and set(steps.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert low - 1e-4 <= float(once.min()) and float(once.max()) <= high + 1e-4
    assert abs(float((steps != 0).double().mean()) - other_rounding.ROUNDED_APART) < 0.02


def test_a_part_that_is_refused_is_halved_and_comes_to_the_same() -> None:
    model = small("vit")
    whole, sizes = checked(model), []

    def small_parts(module: GraphModule) -> list[tuple[torch.Tensor, ...]]:
        outputs = [module(*sample) for sample in model.samples]
        sizes.append(len(outputs[0]))
        if sizes[-1] > 20:
            raise HostBackendError("too many outputs")
        return outputs

    parts = checked(model, small_parts)
    assert parts.refused == () and len([size for size in sizes if size <= 20]) > 4
    assert [each.record for each in parts.checks] == [each.record for each in whole.checks]
    assert parts.first({}) == whole.first({})


def test_a_tap_that_is_refused_alone_is_named_and_the_others_are_compared() -> None:
    model = small("resnet")
    bad = taps(model.both.converted)[4]

    def without_one(module: GraphModule) -> list[tuple[torch.Tensor, ...]]:
        if bad.name in outputs_of(module):
            raise HostBackendError("no such output")
        return run_by(model)(module)

    found = checked(model, without_one)
    assert len(found.refused) == 1 and len(found.checks) == len(taps(model.both.converted)) - 1
    assert found.first({}).refused == found.refused


def test_where_nothing_compiles_it_is_the_compiler_s_error() -> None:
    tries = []

    def never(module: GraphModule) -> list[tuple[torch.Tensor, ...]]:
        tries.append(module)
        raise HostBackendError("no compiler today")

    with pytest.raises(HostBackendError, match="no compiler today"):
        checked(small("minilm"), never)
    assert len(tries) < 15


def test_where_nothing_compiles_the_report_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("resnet")

    def never(*_: Any, **__: Any) -> Lowered:
        raise HostBackendError("no compiler today")

    monkeypatch.setattr(pipeline.steps, "lower", never)
    quantizer = SolveQuantizer("htp", "SM8750", precision="8a8w")
    conversion(exported(model.model, model.samples[0]), list(model.samples), quantizer, Stages())
    found = located(model.both, list(model.samples), quantizer, Stages(), fp16=False, tolerance=0.01)
    assert found.node is None and found.nodes == 0 and found.reason == "no compiler today"
    assert "not found, since no value inside compiles as an output: no compiler today" in difference_line(found).text
    document = first_difference_json(found)
    assert document is not None and document["reason"] == found.reason


NET = """
import torch

def net():
    torch.manual_seed(0)
    first, second = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3)
    layers = [first, torch.nn.ReLU(), second, torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3)]
    samples = [(torch.randn(1, 3, 16, 16),) for _ in range(3)]
    return torch.nn.Sequential(*layers), samples[0], samples
"""


@pytest.mark.slow
def test_an_export_that_disagrees_names_the_first_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A compiler that takes one weight for four times as large."""
    module = f"differing_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(NET)
    monkeypatch.chdir(tmp_path)

    def wrong(converted: GraphModule, *arguments: Any, **named: Any) -> Lowered:
        planted = GraphModule(converted, converted.graph)
        wrong_weight_scale(planted, "conv2d_1")
        return lower(planted, *arguments, **named)

    monkeypatch.setattr(pipeline, "lower", wrong)
    monkeypatch.setattr(pipeline.steps, "lower", wrong)
    argv = ["export", f"{module}:net", "--soc", "SM8750", "--precision", "8a8w", "--out", "net.pte"]
    code = cli.main([*argv, "--format", "json"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    hold(document)
    assert code == 4 and "the first node that differs: conv2d_1; net.pte is kept" in err
    found = document["first_difference"]
    assert (found["node"], found["module_path"], found["verdict"]) == ("conv2d_1", "2", "disagrees")


@pytest.mark.slow
def test_the_command_compares_with_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = f"emulated_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    argv = ["compare", f"{module}:net", "--soc", "SM8750", "--precision", "8a8w"]
    assert cli.main([*argv, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    hold(document)
    assert document["emulated"] == 2 and document["first_difference"]["node"] is None
    assert all(node["emulator"]["steps"] <= 2 for node in document["nodes"])
    assert all(node["emulator"]["own"]["together"] > 30 for node in document["nodes"] if node["name"] != "input_1")
