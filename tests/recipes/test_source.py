"""A recipe as source for ExecuTorch's QuantRecipe."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer
from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import SolveQuantizer, solve
from tests.nets import seeded
from tests.recipes.test_saving import ROW, Sums


def quant_recipe(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("saved_recipe", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.recipe()


def test_the_source_of_a_quant_recipe_runs_with_both_quantizers(tmp_path: Path) -> None:
    path = tmp_path / "recipe.py"
    before = solve(seeded(Sums), (ROW,), save_recipe=path, precision="16a8w", prefer=["second=8a8w", "head=8a8w"])
    ours = SolveQuantizer("htp", "SM8750")
    ours.set_recipe(quant_recipe(path))
    prepare_pt2e(torch.export.export(seeded(Sums), (ROW,)).module(), ours)
    assert ours.result is not None
    outputs = {n.name: n.output for n in before.nodes}
    assert {"u8", "u16"} <= set(outputs.values())
    assert {n.name: n.output for n in ours.result.nodes} == outputs
    theirs = QnnQuantizer(backend=QnnExecuTorchBackendType.kHtpBackend, soc_model=QcomChipset.SM8750)
    theirs.set_recipe(quant_recipe(path))
    annotated = theirs.annotate(torch.export.export(seeded(Sums), (ROW,)).module())
    dtypes = {
        node.name: node.meta["quantization_annotation"].output_qspec
        for node in annotated.graph.nodes
        if node.name in ("linear", "linear_1", "linear_2")
    }
    assert [spec.quant_max for spec in dtypes.values()] == [65535, 255, 255]


def test_what_a_quant_recipe_cannot_say_stands_in_its_source(tmp_path: Path) -> None:
    path = tmp_path / "recipe.py"
    solve(seeded(Sums), (ROW,), precision="8a8w", pin=["add=16a", "node:add_1=cpu"], save_recipe=path, strict=False)
    text = path.read_text()
    assert "# - add_1 (aten.add.Tensor) stays on the CPU" in text
    assert quant_recipe(path) is not None
