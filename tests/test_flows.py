"""ExecuTorch's own flows with the class swapped by one line: its recipes, its pipeline, its scripts."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from executorch.backends.qualcomm.quantizer.qconfig import QuantizationConfig
from executorch.backends.qualcomm.quantizer.quantizer import ModuleQConfig, QuantDtype
from executorch.backends.qualcomm.serialization.qc_schema import QnnExecuTorchBackendType
from torchao.quantization.pt2e import MovingAverageMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationSpec

import qnnsolve.executorch
from benchmarks.static_llama.absent import NAMES, stand_in
from qnnsolve import SolveQuantizer
from tests.nets import ConvNet, Masked, images, seeded

with pytest.MonkeyPatch.context() as patch:
    for absent in ("pydot", "tabulate"):  # ExecuTorch draws graphs and tables with these; nothing here does
        if absent not in sys.modules and importlib.util.find_spec(absent) is None:
            patch.setitem(sys.modules, absent, ModuleType(absent))
    export_utils = importlib.import_module("executorch.backends.qualcomm.export_utils")
    utils = importlib.import_module("executorch.backends.qualcomm.utils.utils")

MASKED = (torch.rand(1, 4, 8), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    qnnsolve.executorch.install()
    yield
    qnnsolve.executorch.uninstall()


def prepared(quantizer: Any) -> Any:
    graph = prepare_pt2e(torch.export.export(seeded(ConvNet), images(1)[0]).module(), quantizer)
    graph(*images(1)[0])
    return graph


def test_the_stages_of_executorchs_export_recipes_bind_masks_as_alone() -> None:
    from executorch.export import QuantizationRecipe
    from executorch.export.stages import PipelineArtifact, QuantizeStage

    quantizer, alone = SolveQuantizer(precision="16a8w"), SolveQuantizer(precision="16a8w")
    stage = QuantizeStage(QuantizationRecipe(quantizers=[quantizer]))
    stage.run(PipelineArtifact({"forward": seeded(Masked)}, {"example_inputs": {"forward": [MASKED]}}))
    graph = prepare_pt2e(torch.export.export(seeded(Masked), MASKED, strict=True).module(), alone)
    graph(*MASKED)
    converted = stage.get_artifacts().data["forward"]
    torch.testing.assert_close(converted(*MASKED), convert_pt2e(graph)(*MASKED), rtol=0, atol=0)


def test_the_quantizer_adapter_of_the_genai_pipeline_makes_ours() -> None:
    from executorch.backends.qualcomm.genai_pipeline.strategies.quantization.default_quantizer_adapter import (
        DefaultQuantizerAdapter,
    )

    adapter = DefaultQuantizerAdapter()
    quantizer = adapter.make_quantizer(
        quant_dtype=QuantDtype.use_16a8w, backend=QnnExecuTorchBackendType.kHtpBackend, soc_model="SM8750"
    )
    graph = adapter.prepare_pt2e(adapter.export_model(seeded(ConvNet), images(1)[0]), quantizer)
    adapter.convert_pt2e(adapter.calibrate(graph, images(2)))
    assert type(quantizer) is SolveQuantizer and quantizer.result is not None
    assert {node.output for node in quantizer.result.nodes} == {"u16"}


def test_the_quantizer_of_transformers_takes_ours() -> None:
    exporters = pytest.importorskip("transformers.exporters")

    quantizer = SolveQuantizer(precision="16a8w")
    (image,) = images(1)[0]
    wrapped = exporters.PT2EQuantizer(quantizer, calibration_dataset=[{"pixels": image}])
    graph = torch.export.export(seeded(ConvNet), (), {"pixels": image}).module()
    converted = wrapped.quantize(graph, {"pixels": image}, exporters.configs.ExportFormat.EXECUTORCH)
    assert any("dequantize" in str(node.target) for node in converted.graph.nodes)
    assert quantizer.result is not None and {node.output for node in quantizer.result.nodes} == {"u16"}


def test_configs_that_a_script_puts_in_place_of_the_default_ones_count() -> None:
    """As ``fastvit.py`` does, with the list that ExecuTorch 1.5.1 reads."""
    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w)
    default = quantizer.default_quant_config
    factory = MovingAverageMinMaxObserver.with_args(averaging_constant=0.5)
    activation = QuantizationSpec(torch.uint8, factory, qscheme=torch.per_tensor_affine)
    default.quant_config = QuantizationConfig(
        activation, activation, default.quant_config.weight, default.quant_config.bias
    )
    default.per_channel_quant_config_list = [
        QuantizationConfig(activation, activation, each.weight, each.bias)
        for each in default.per_channel_quant_config_list
    ]
    observers = [each for name, each in prepared(quantizer).named_modules() if "activation_post_process" in name]
    constants = {each.averaging_constant for each in observers if hasattr(each, "averaging_constant")}
    assert constants == {0.5}


def test_custom_annotations_and_discards_are_replaced_by_those_that_come_later() -> None:
    def wrong(graph: Any) -> None:
        raise AssertionError("was replaced")

    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w, custom_annotations=(wrong,))
    quantizer.add_custom_quant_annotations(())
    quantizer.add_discard_nodes(["conv2d"])
    quantizer.add_discard_nodes([])
    prepared(quantizer)
    assert quantizer.cpu_nodes == frozenset()


def test_a_submodule_counts_before_channels_and_a_recipe_before_all() -> None:
    from executorch.backends.qualcomm.quantizer.quant_recipe import QuantGranularity, QuantRecipe

    def weight(quantizer: Any) -> str | None:
        convert_pt2e(prepared(quantizer))
        node = next(node for node in quantizer.result.nodes if node.name == "conv2d")
        found: str | None = next(value for name, value in node.inputs if name.endswith("_weight"))
        return found

    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w)
    assert weight(quantizer) == "s8/ch0"
    is_conv = [(lambda node: node.target is torch.ops.aten.conv2d.default, ModuleQConfig(QuantDtype.use_8a8w))]
    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w, submodule_qconfig_list=is_conv)
    assert weight(quantizer) == "s8", "its own config has no channels"
    observer = MovingAverageMinMaxObserver
    recipe = QuantRecipe(QuantDtype.use_16a8w, False, observer, QuantGranularity.PER_TENSOR)
    channels = QuantGranularity.PER_CHANNEL
    recipe.add_node_target({torch.ops.aten.conv2d.default}, QuantDtype.use_16a4w, False, observer, channels)
    quantizer.set_recipe(recipe)
    assert weight(quantizer) == "s4/ch0"


class Feeding(torch.nn.Module):
    """Named as ``range_setting_pt2e`` looks for."""

    def __init__(self) -> None:
        super().__init__()
        self.feed_forward = torch.nn.ModuleDict({"w1_conv": torch.nn.Conv2d(3, 8, 1, bias=False)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.feed_forward["w1_conv"](x)
        return out


def test_range_setting_finds_the_observers_that_it_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [*sys.meta_path])
        stand_in()
        ranges = importlib.import_module("executorch.examples.qualcomm.oss_scripts.llama.range_setting_pt2e")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in NAMES:
            del sys.modules[name]
    quantizer = ranges.make_custom_quantizer(QuantDtype.use_16a4w)
    for config in quantizer.default_quant_config.per_channel_quant_config_list:
        observer = ranges.PerChannelFixedQParamsObserver.with_args()
        config.weight = dataclasses.replace(config.weight, observer_or_fake_quant_ctr=observer)
    graph = prepare_pt2e(torch.export.export(seeded(Feeding), images(1)[0]).module(), quantizer)
    ranges.set_scales(graph, {"model.feed_forward.w1": torch.full((8,), 0.125)})
    graph(*images(1)[0])
    converted = convert_pt2e(graph)
    (weight,) = (node for node in converted.graph.nodes if "dequantize_per_channel" in str(node.target))
    assert getattr(converted, weight.args[1].target).tolist() == [0.125] * 8


@pytest.mark.parametrize("dtype", [QuantDtype.use_16a16w, QuantDtype.use_16a2w, QuantDtype.use_8a4w])
def test_what_executorch_does_not_train_is_not_trained(dtype: QuantDtype) -> None:
    with pytest.raises(RuntimeError, match="is not support"):
        export_utils.make_quantizer(quant_dtype=dtype, is_qat=True)


def test_one_quantizer_annotates_the_parts_of_a_graph_one_by_one() -> None:
    """As ExecuTorch's ``skip_annotation`` does, which keeps nodes out by making subgraphs of the others."""
    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w)
    graphs = [prepared(quantizer) for _ in range(2)]
    first, second = (convert_pt2e(graph)(*images(1)[0]) for graph in graphs)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


class Halves(torch.nn.Module):
    """Two convolutions, and between them what is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.second(torch.sigmoid(self.first(x)))
        return out


def test_skip_annotation_quantizes_the_parts_around_what_it_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    class Calibrated(Exception):
        """What comes next compiles."""

    parts: list[torch.fx.GraphModule] = []

    def calibrate(graph: torch.fx.GraphModule) -> None:
        graph(*images(1)[0])
        calls = [str(node.target) for node in graph.graph.nodes if node.op.startswith("call")]
        parts.extend(graph.get_submodule(name) for name in calls if not name.startswith("aten."))  # type: ignore[misc]
        assert [name for name in calls if name.startswith("aten.")] == ["aten.sigmoid.default"]
        raise Calibrated

    monkeypatch.setattr(utils, "setup_qnn_sdk", lambda: None)
    quantizer = export_utils.make_quantizer(quant_dtype=QuantDtype.use_8a8w)
    skipped = {torch.ops.aten.sigmoid.default}
    with pytest.raises(Calibrated):
        utils.skip_annotation(seeded(Halves), quantizer, [], images(1)[0], calibrate, fp_node_op_set=skipped)
    found = [{str(node.target) for node in convert_pt2e(part).graph.nodes} for part in parts]
    whole = {"aten.conv2d.default", "quantized_decomposed.quantize_per_tensor.default"}
    assert len(found) == 2 and all(whole <= targets for targets in found)


def benchmark(name: str, out: Path, *options: str) -> None:
    """Run in a process of its own, since ExecuTorch compiles in the process that it is called in."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_what_the_flows_of_executorch_build_runs_on_the_emulator(tmp_path: Path) -> None:
    benchmark("executorch_flows", tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(flow, each["quantizer"]) for flow, each in found.items()] == [
        (flow, "SolveQuantizer") for flow in ("build", "recipe", "transformers")
    ]
    assert max(each["error"] for each in found.values()) < 0.02


@pytest.mark.slow
def test_static_llama_decodes_on_the_emulator_what_was_converted(tmp_path: Path) -> None:
    """Prefill and decode of ``llama.py``: 16a4w, KV caches in 8 bits, R3; 4-bit weights cost most of the SQNR."""
    benchmark("static_llama", tmp_path, "--steps", "300", "--texts", "1")
    found = json.loads((tmp_path / "qnnsolve" / "played.json").read_text())
    assert found["quantizers"] == ["SolveQuantizer"]
    assert found["converts"] == [6, 6, 6], "at the same edges, whatever the length of the sequence"
    assert found["emulator_vs_converted_db"] > 30
    assert found["decode_db"] > found["converted_db"] - 1 > 10
    assert found["same_next"] > 0.7
