"""64-bit integers that the model returns: out of a tuple, and of a division."""

from __future__ import annotations

import operator

import pytest
import torch

from qnnsolve.rewriting.returned import cast_returned, widen_returned

aten = torch.ops.aten


class Parts(torch.nn.Module):
    def forward(self, x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first, second = torch.ops.aten.split.Tensor(i, 2, -1)
        return first, second + 1, torch.ops.aten.split.Tensor(x, 2, -1)[0]


def test_a_wide_integer_out_of_a_tuple_is_returned_by_a_cast() -> None:
    x, i = torch.randn(1, 4), torch.tensor([[1, -2, 3, 2**31 - 1]])
    graph = torch.export.export(Parts(), (x, i)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    cast_returned(graph)
    returned = graph.graph.output_node().all_input_nodes
    targets = [node.target for node in returned]
    assert targets == [torch.ops.aten.to.dtype, torch.ops.aten.add.Tensor, operator.getitem]
    for got, want in zip(graph(x, i), Parts()(x, i), strict=True):
        assert got.dtype == want.dtype and torch.equal(got, want)


class Divided(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        whole = torch.divide(x, y, rounding_mode="floor")
        return whole, whole + 1, torch.divide(x.int(), y.int(), rounding_mode="trunc")


@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 3)])
def test_a_division_that_is_returned_yields_64_bits_itself(shape: tuple[int, ...]) -> None:
    x, y = torch.full(shape, -(2**31) + 1), torch.full(shape, 7)
    graph = torch.export.export(Divided(), (x, y)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    widen_returned(graph)
    targets = [node.target for node in graph.graph.output_node().all_input_nodes]
    assert targets == [aten.prod.dim_int, aten.add.Tensor, aten.divide.Tensor_mode]
    for got, want in zip(graph(x, y), Divided()(x, y), strict=True):
        assert got.dtype == want.dtype and torch.equal(got, want)
