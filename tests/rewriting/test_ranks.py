"""Windows are cut out of an image with five dimensions instead of six, and come out the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qnnsolve.rewriting.ranks import lower_ranks
from qnnsolve.rules.builders import LARGEST_RANK


class Windows(nn.Module):
    """As Swin cuts and joins them; with a ``batch`` of more than one there is nothing to leave out."""

    def __init__(self, batch: int = 1) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cut = x.view(self.batch, 2, 4, 2, 4, 3).transpose(2, 3).contiguous().view(-1, 4, 4, 3).relu()
        return cut.view(self.batch, 2, 2, 4, 4, 3).permute(0, 1, 3, 2, 4, 5).reshape(self.batch, 8, 8, 3)


def ranks(batch: int) -> tuple[list[int], bool]:
    x = torch.randn(batch, 8, 8, 3)
    graph = torch.export.export(Windows(batch), (x,), strict=True).module()
    assert isinstance(graph, torch.fx.GraphModule)
    lower_ranks(graph)
    graph.graph.lint()
    found = [node.meta["val"].dim() for node in graph.graph.nodes if node.op == "call_function"]
    return found, torch.equal(graph(x), Windows(batch)(x))


@pytest.mark.parametrize(("batch", "most"), [(1, LARGEST_RANK), (2, LARGEST_RANK)])
def test_no_tensor_has_more_dimensions_than_the_chip_takes(batch: int, most: int) -> None:
    found, same = ranks(batch)
    assert same and max(found) <= most


def test_what_cannot_do_with_fewer_stays() -> None:
    class Reversed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(5, 4, 3, 2, 1, 0)

    x = torch.randn(2, 2, 2, 2, 2, 2)
    graph = torch.export.export(Reversed(), (x,), strict=True).module()
    assert isinstance(graph, torch.fx.GraphModule)
    before = len(graph.graph.nodes)
    assert len(lower_ranks(graph).graph.nodes) == before
    assert torch.equal(graph(x), Reversed()(x))
