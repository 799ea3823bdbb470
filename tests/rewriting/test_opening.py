"""What ``torch.export`` wraps a graph in is no obstacle to any step, and the check of the inputs is kept."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.utils import _fuse_linear_bn_

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.notes import notes_of
from qnnsolve.rewriting.opening import complete_values, opened, put_guards, take_guards

aten = torch.ops.aten


class Frozen(nn.Module):
    """A backbone that is not trained, with a step inside that another mode holds for, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            hidden, rest = self.norm(self.conv(x)), x + 1
            with torch.autocast("cpu", enabled=False):
                hidden = hidden.relu()
            hidden[:, :3] = rest[:, :, 1:-1, 1:-1]
        with torch.no_grad():
            hidden = hidden * 2
        result: torch.Tensor = self.head(hidden)
        return result


def exported(model: nn.Module, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    graph = torch.export.export(model.eval(), inputs).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


def test_regions_are_written_where_they_are_called() -> None:
    x, model = torch.rand(1, 3, 8, 8), Frozen()
    graph = opened(exported(model, x))
    graph.graph.lint()
    calls = [node for node in graph.graph.nodes if node.op not in ("placeholder", "get_attr", "output")]
    assert {type(node.target) for node in calls} == {torch._ops.OpOverload}, "no guard, no region, nothing picked out"
    assert all(isinstance(node.meta["val"], torch.Tensor) for node in calls)
    torch.testing.assert_close(graph(x), model(x))


def test_what_stands_in_a_region_is_quantized_like_the_rest() -> None:
    """With its norm folded, its write spelled out, and nothing left on the CPU."""
    model = Frozen()
    quantizer = SolveQuantizer("htp", "SM8750", precision="16a8w")
    samples = [torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    prepared = prepare_pt2e(exported(model, samples[0]), quantizer)
    for sample in samples:
        prepared(sample)
    converted = convert_pt2e(prepared)
    assert not quantizer.cpu_nodes
    assert "batch_norm" not in converted.code
    torch.testing.assert_close(converted(samples[0]), model(samples[0]), atol=0.01, rtol=0.01)


def test_the_inputs_are_checked_in_what_is_prepared_and_converted() -> None:
    quantizer = SolveQuantizer("htp", "SM8750")
    prepared = prepare_pt2e(exported(nn.Linear(8, 4), torch.rand(2, 8)), quantizer)
    assert quantizer.result is not None
    assert "_guards_fn" not in {node.name for node in quantizer.result.nodes}
    prepared(torch.rand(2, 8))
    for graph in (prepared, convert_pt2e(prepared)):
        with pytest.raises(AssertionError, match=r"size\(\)\[0\] == 2"):
            graph(torch.rand(3, 8))


def test_guards_go_and_come_back() -> None:
    graph = exported(nn.Linear(8, 4), torch.rand(2, 8))
    guards = take_guards(graph)
    assert guards is not None
    assert take_guards(graph) is None
    put_guards(graph, guards)
    graph.recompile()
    with pytest.raises(AssertionError, match="Guard failed"):
        graph(torch.rand(3, 8))


def test_what_a_pass_has_made_without_a_value_gets_one() -> None:
    graph = exported(nn.Sequential(nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8)), torch.rand(2, 8))
    take_guards(graph)
    _fuse_linear_bn_(graph)
    assert not all("val" in node.meta for node in graph.graph.nodes if node.op == "get_attr")
    for node in graph.graph.nodes:
        if node.op == "call_function":
            del node.meta["val"]
    complete_values(graph)
    shapes = [tuple(node.meta["val"].shape) for node in graph.graph.nodes if node.op != "output"]
    assert shapes == [(8, 8), (2, 8), (8,), (2, 8)]


def test_a_node_of_which_nobody_knows_what_it_computes_is_refused() -> None:
    graph = exported(nn.ReLU(), torch.rand(2, 8))
    with graph.graph.inserting_before(list(graph.graph.nodes)[-1]):
        graph.graph.call_function(
            aten.mm.default, tuple(node for node in graph.graph.nodes if node.name in ("x", "relu")) * 2
        )
    with pytest.raises(UnsupportedGraphError, match=r"node mm\w*: what aten.mm.default computes is not known"):
        opened(graph)


class Returning(nn.Module):
    """A tensor that is computed, one that is made from nothing, one that is drawn, and one that is written to."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        written = torch.zeros(3)
        written[1:].add_(x[1:])
        return x + 1, torch.ones(3), torch.rand(3), written


def test_a_constant_that_is_returned_is_a_buffer() -> None:
    x = torch.rand(3)
    graph = opened(exported(Returning(), x))
    graph.graph.lint()
    returned = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    assert [node.op for node in returned] == ["call_function", "get_attr", "call_function", "call_function"]
    computed, ones, _, written = graph(x)
    torch.testing.assert_close((computed, ones, written), (x + 1, torch.ones(3), torch.cat([torch.zeros(1), x[1:]])))


class Checked(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch._assert_async((x.abs().amax() < 100), "too large")
        return x + 1


def test_checks_of_values_are_left_out_and_that_is_said() -> None:
    x = torch.rand(2, 3)
    graph = opened(exported(Checked(), x))
    assert [str(node.target) for node in graph.graph.nodes if node.op == "call_function"] == ["aten.add.Tensor"]
    assert notes_of(graph) == ("the check _assert_async is left out: too large",)
