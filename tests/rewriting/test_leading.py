"""A dimension of size one comes to the front by a transposition, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from qnnsolve.rewriting.leading import move_leading

Function = Callable[[torch.Tensor], torch.Tensor]
FOUR, FIVE = torch.randn(2, 3, 4, 5), torch.randn(1, 2, 3, 4, 5)


class Applied(nn.Module):
    """A function as a model."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def orders(function: Function, x: torch.Tensor) -> list[list[int]]:
    """Those of all permutations, once rewritten; the result is as before, and each node has its right value."""
    graph = torch.export.export(Applied(function), (x,), strict=True).module()
    assert isinstance(graph, torch.fx.GraphModule)
    move_leading(graph)
    graph.graph.lint()
    assert torch.equal(graph(x), function(x))
    calls = [node for node in graph.graph.nodes if node.op == "call_function"]
    assert calls[-1].meta["val"].shape == function(x).shape
    return [list(node.args[1]) for node in calls if node.target is torch.ops.aten.permute.default]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.relu().unsqueeze(0),
        lambda x: x.relu().reshape(1, 2, 3, 4, 5) + 1,
        lambda x: x.relu().reshape(6, 20).view(1, 2, 3, 4, 5),
    ],
)
def test_one_before_four_dimensions_is_transposed_to_the_front(function: Function) -> None:
    assert orders(function, FOUR) == [[1, 0, 2, 3, 4]]


@pytest.mark.parametrize(
    ("function", "order"),
    [
        (lambda x: x.permute(0, 1, 4, 2, 3), [1, 0, 4, 2, 3]),
        (lambda x: x.permute(0, 1, -1, 2, 3), [1, 0, 4, 2, 3]),
        (lambda x: x.transpose(2, 4), [1, 0, 4, 3, 2]),
    ],
)
def test_so_it_is_where_it_and_the_second_would_stay_in_place(function: Function, order: list[int]) -> None:
    assert orders(function, FIVE) == [order]


@pytest.mark.parametrize(
    ("function", "x", "order"),
    [
        (lambda x: x.relu().unsqueeze(1), FOUR, []),
        (lambda x: x.relu().reshape(1, 2, 3, 20), FOUR, []),
        (lambda x: x.relu().reshape(1, 3, 2, 4, 5), FOUR, []),
        (lambda x: x.relu().unsqueeze(0).reshape(6, 20), FOUR, []),
        (lambda x: x.permute(0, 2, 1, 3, 4), FIVE, [[0, 2, 1, 3, 4]]),
        (lambda x: x.permute(0, 1, 3, 2), FOUR, [[0, 1, 3, 2]]),
        (lambda x: x.expand(2, 2, 3, 4, 5).permute(0, 1, 4, 2, 3), FIVE, [[0, 1, 4, 2, 3]]),
        (lambda x: x.relu(), FIVE, []),
    ],
)
def test_nothing_else_is_touched(function: Function, x: torch.Tensor, order: list[list[int]]) -> None:
    assert orders(function, x) == order
