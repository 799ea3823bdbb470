"""A model that writes to the caller's tensors computes the same by either door, and it is said that those stay."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer, solve
from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.verification.noise import sqnr_db


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        return self.function(x, y)


def by_itself(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x.add_(1)
    return x * y


def by_a_view(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    part = x.t()[1:3]
    part.mul_(3)
    return x + y, part


def by_a_slice(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x[:, 2:] = y[:, 2:]
    return x


def by_pieces(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2)
    first.mul_(second)
    return x - y


def by_out(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    torch.add(x, y, out=x)
    return x.relu()


def by_a_copy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x.copy_(y)
    return x.sigmoid()


WRITES = [by_itself, by_a_view, by_a_slice, by_pieces, by_out, by_a_copy]
SAID = r"the model writes to its input 'x': its own is changed, and the caller's stays as it was"


def samples() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.randn(2, 4, 4, generator=generator)) for _ in range(3)]


@pytest.mark.parametrize("function", WRITES)
def test_the_three_lines_say_so_and_compute_the_same(function: Callable[..., Any]) -> None:
    taken = samples()
    graph = torch.export.export(Net(function), copy.deepcopy(taken[0])).module()
    quantizer = SolveQuantizer("htp", "SM8750", precision="16a8w")
    with pytest.warns(UserWarning, match=SAID):
        prepared = prepare_pt2e(graph, quantizer)
    for sample in taken:
        prepared(*sample)
    converted = convert_pt2e(prepared)
    for sample, drawn in zip(taken, samples(), strict=True):
        got = pytree.tree_leaves(converted(*sample))
        assert all(torch.equal(mine, own) for mine, own in zip(sample, drawn, strict=True))
        wanted = pytree.tree_leaves(function(*drawn))
        assert min(sqnr_db(mine, own) for mine, own in zip(got, wanted, strict=True)) > 60


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch takes its own programs apart the old way
@pytest.mark.parametrize("function", WRITES)
@pytest.mark.parametrize("functional", [False, True])
def test_a_solve_says_so_of_a_model_and_of_a_program(function: Callable[..., Any], functional: bool) -> None:
    program = torch.export.export(Net(function), samples()[0])
    result = solve(program.run_decompositions() if functional else program, soc="SM8750", precision="16a8w")
    assert [note for note in result.notes if "writes to its input 'x'" in note]


def test_nothing_is_said_of_a_tensor_of_the_models_own() -> None:
    result = solve(Net(lambda x, y: (x * 2).add_(y).relu_()), samples()[0], soc="SM8750", precision="16a8w")
    assert not result.notes


def test_an_input_that_changes_its_shape_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"it changes the shape of input 0 in place .*; make a new tensor"):
        solve(Net(lambda x, y: x.unsqueeze_(0) + y), samples()[0], soc="SM8750")
