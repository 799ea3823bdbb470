"""One line swaps the class in ExecuTorch's own flows, and one puts it back."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from executorch.backends.qualcomm.quantizer import quantizer as upstream
from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

import qnnsolve.executorch
from qnnsolve import SolveQuantizer
from tests.nets import ConvNet, images, seeded

ORIGINAL = upstream.QnnQuantizer

with pytest.MonkeyPatch.context() as patch:
    for absent in ("pydot", "tabulate"):  # ExecuTorch draws graphs and tables with these; nothing here does
        if absent not in sys.modules and importlib.util.find_spec(absent) is None:
            patch.setitem(sys.modules, absent, ModuleType(absent))
    export_utils = importlib.import_module("executorch.backends.qualcomm.export_utils")


@pytest.fixture
def installed() -> Iterator[None]:
    qnnsolve.executorch.install()
    yield
    qnnsolve.executorch.uninstall()


def made(**settings: Any) -> Any:
    return export_utils.make_quantizer(soc_model="SM8750", **settings)


@pytest.mark.usefixtures("installed")
def test_the_flows_of_executorch_make_ours() -> None:
    quantizer = made(quant_dtype=QuantDtype.use_16a8w, per_channel_linear=True)
    assert type(quantizer) is SolveQuantizer and isinstance(quantizer, ORIGINAL)
    graph = prepare_pt2e(torch.export.export(seeded(ConvNet), images(1)[0]).module(), quantizer)
    graph(*images(1)[0])
    convert_pt2e(graph)
    assert quantizer.result is not None
    nodes = {node.name: node for node in quantizer.result.nodes}
    assert dict(nodes["linear"].inputs)["classify_weight"] == "s8/ch0"
    assert {node.output for node in nodes.values()} == {"u16"}


def test_it_can_be_taken_out_again_and_put_in_twice() -> None:
    for _ in range(2):
        qnnsolve.executorch.install()
        assert upstream.QnnQuantizer is export_utils.QnnQuantizer is SolveQuantizer
    qnnsolve.executorch.uninstall()
    assert upstream.QnnQuantizer is export_utils.QnnQuantizer is ORIGINAL
    assert type(made()) is ORIGINAL


class Divided(torch.nn.Module):
    def forward(self, x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.div(x, 3.0, rounding_mode="floor"), torch.div(i, 3, rounding_mode="floor")


def test_executorch_leaves_divisions_of_integers_whole() -> None:
    from executorch.backends.qualcomm._passes import DecomposeDivMode

    def targets() -> list[str]:
        """What its pass makes of a division of floats and one of integers."""
        inputs = (torch.ones(2), torch.tensor([2**30 + 1]))
        graph = DecomposeDivMode()(torch.export.export(Divided(), inputs).module()).graph_module
        torch.testing.assert_close(graph(*inputs), Divided()(*inputs), check_dtype=False, rtol=1e-6, atol=0)
        return sorted(str(node.target) for node in graph.graph.nodes if "div" in str(node.target))

    apart = targets()
    qnnsolve.executorch.install()
    qnnsolve.executorch.install()
    try:
        assert targets() == ["aten.div.Tensor", "aten.div.Tensor_mode"]
    finally:
        qnnsolve.executorch.uninstall()
    assert targets() == apart == ["aten.div.Tensor", "aten.div.Tensor"]
