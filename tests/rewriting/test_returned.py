"""Integers out of a tuple that the model returns."""

from __future__ import annotations

import operator

import torch

from qnnsolve.rewriting.returned import cast_returned


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
