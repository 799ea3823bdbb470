"""What a tensor is may change in place, too: its shape and its strides."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from qnnsolve.errors import UnsupportedGraphError
from tests.rewriting.written import Model, rewritten, writes


def by_squeezing(x: torch.Tensor) -> torch.Tensor:
    return x.view(2, 1, 3, 4, 1).exp().squeeze_(1).squeeze_() * 2


def by_squeezing_dims(x: torch.Tensor) -> torch.Tensor:
    y = x.view(2, 1, 3, 4, 1).exp()
    torch.ops.aten.squeeze_.dims(y, [1, 4])
    return y.add_(1) * 2


def by_unsqueezing(x: torch.Tensor) -> torch.Tensor:
    y = x.exp()
    part = y[:, 1:]
    y.unsqueeze_(0)
    y[:, :, 1:].mul_(3)
    return y + part.sum()


def by_transposing(x: torch.Tensor) -> torch.Tensor:
    y = x.exp()
    y.transpose_(0, 1)
    y[0] = 1
    y.swapaxes_(1, 2).swapdims_(0, 2)
    return y * y[0].relu().t_().t()


def by_strides(x: torch.Tensor) -> torch.Tensor:
    y = x.exp().as_strided_((2, 4), (12, 2), 1)
    y[0] = 2
    return y * 2


def by_detaching(x: torch.Tensor) -> torch.Tensor:
    return x.exp().detach_().mul_(2) + 1


SHAPES = (by_squeezing, by_squeezing_dims, by_unsqueezing, by_transposing, by_strides, by_detaching)


@pytest.mark.parametrize("shapes", SHAPES)
def test_shapes_that_change_in_place(shapes: Callable[[torch.Tensor], torch.Tensor]) -> None:
    class Shaped(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return shapes(x)

    graph = rewritten(Shaped())
    assert not writes(graph)
    x = torch.rand(2, 3, 4)
    torch.testing.assert_close(graph(x), shapes(x))


def test_a_state_that_changes_its_shape_is_refused() -> None:
    with pytest.raises(
        UnsupportedGraphError, match=r"node transpose_: aten\.transpose_\S* changes the shape of the state kept"
    ):
        rewritten(Model(lambda own, x: own.transpose_(0, 1).sum() + x, keeps=True))
