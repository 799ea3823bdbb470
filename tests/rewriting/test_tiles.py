"""What is repeated along the last dimension is repeated after sums, differences and products, nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import SolveQuantizer

aten = torch.ops.aten
Function = Callable[[torch.Tensor], torch.Tensor]
COLUMN = torch.tensor([[0.5], [-1.0], [2.0]])
ARITHMETIC = {aten.add.Tensor, aten.sub.Tensor, aten.rsub.Tensor, aten.mul.Tensor}


class Applied(nn.Module):
    """A function as a model."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def sizes(function: Function, x: torch.Tensor) -> list[tuple[int, ...]]:
    """The shapes of all sums, differences and products, as they are quantized; the result is as before."""
    quantizer = SolveQuantizer("htp", "SM8750", precision="8a8w")
    prepared = prepare_pt2e(torch.export.export(Applied(function), (x,)).module(), quantizer)
    assert torch.equal(prepared(x), function(x))
    return [tuple(node.meta["val"].shape) for node in prepared.graph.nodes if node.target in ARITHMETIC]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.expand(3, 4) + 1,
        lambda x: 1 - x.expand(3, 4),
        lambda x: x.expand(3, 4) - x.relu(),
        lambda x: x.expand(3, 4) * x.expand(3, 4),
        lambda x: x.expand(3, 4) + x.amax(),
        lambda x: x.repeat(1, 4) * 2,
        lambda x: torch.expand_copy(x, [3, 4]) + 1,
        lambda x: x.expand(3, 4).contiguous() + 1,
        lambda x: torch.add(x.expand(3, 4), x.relu(), alpha=2),
    ],
)
def test_arithmetic_is_on_the_column(function: Function) -> None:
    assert set(sizes(function, COLUMN)) == {(3, 1)}


def test_it_is_so_through_a_row_of_such_ops_and_through_new_dimensions() -> None:
    assert sizes(lambda x: (x.expand(3, 4) + 1) * 2 - x, COLUMN) == [(3, 1)] * 3
    assert sizes(lambda x: x.expand(3, 4).unsqueeze(0) + 1, COLUMN) == [(1, 3, 1)]
    assert sizes(lambda x: x.repeat(2, 4) + 1, COLUMN) == [(6, 1)]
    assert sizes(lambda x: x.expand(2, 3, 4) + 1, COLUMN) == [(2, 3, 1)]


def test_what_is_not_one_element_stays() -> None:
    assert sizes(lambda x: x.expand(3, 4) + torch.ones(4), COLUMN) == [(3, 4)]
    assert sizes(lambda x: x.expand(3, 4).relu() + 1, COLUMN) == [(3, 4)]
    assert sizes(lambda x: x.reshape(1, 3).expand(4, 3) + 1, COLUMN) == [(4, 3)]
