"""The code of a graph is written once for all passes, and is of the graph that they leave."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch.fx import GraphModule

from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.recompiling import recompiled_once


class Small(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x).tile(2) + 1


def exported() -> GraphModule:
    with torch.no_grad():
        return torch.export.export(Small(), (torch.ones(2, 3),)).module()


def test_all_passes_together_write_the_code_of_a_graph_once() -> None:
    model, real = exported(), GraphModule.recompile
    with mock.patch.object(GraphModule, "recompile", autospec=True, side_effect=real) as counted:
        transformed = SolveQuantizer("htp", "SM8750", strict=False).transform_for_annotation(model)
    assert sum(call.args[0] is model for call in counted.call_args_list) == 1
    assert transformed is model and "silu" not in model.code and "sigmoid" in model.code
    x = torch.randn(2, 3)
    assert torch.allclose(transformed(x), Small()(x))


def test_after_an_error_the_code_is_that_of_the_graph_too() -> None:
    model = exported()
    with pytest.raises(KeyError), recompiled_once(model):
        call = next(node for node in model.graph.nodes if node.target is torch.ops.aten.silu.default)
        call.target = torch.ops.aten.relu.default
        model.recompile()
        assert "silu" in model.code
        raise KeyError
    assert "relu" in model.code
    model.recompile()
    assert "recompile" not in vars(model)
