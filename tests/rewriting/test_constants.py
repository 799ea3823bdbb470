"""What does not depend on the inputs is computed once, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.rewriting import constants
from qnnsolve.rewriting.constants import fold_constants


class Positions(nn.Module):
    """A mask from position ids, as decoders build it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ids = torch.arange(x.shape[-1])
        return x + torch.where(ids[None, :] <= ids[:, None], 0.0, -9.0)


class Made(nn.Module):
    """Of constants that ExecuTorch has no builder for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.linspace(0, 1, 4) + torch.eye(4)


class Buffered(nn.Module):
    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.arange(4.0))
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.cos(self.steps * 2) + self.weight.abs()


class Counting(nn.Module):
    count: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        return x + self.count.cos()


class Random(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(torch.ones(4))


def exported(module: nn.Module, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    program = torch.export.export(module, inputs, strict=True).module()
    assert isinstance(program, torch.fx.GraphModule)
    return program


def calls(model: torch.fx.GraphModule) -> list[str]:
    return [str(node.target) for node in model.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    ("module", "left"),
    [
        (Positions(), ["aten.add.Tensor"]),
        (Made(), ["aten.mul.Tensor", "aten.add.Tensor"]),
        (Buffered(), ["aten.mul.Tensor", "aten.add.Tensor"]),
    ],
)
def test_only_what_the_input_decides_is_left(module: nn.Module, left: list[str]) -> None:
    x = torch.randn(4, 4)
    want = module(x)
    folded = fold_constants(exported(module, x))
    assert calls(folded) == left
    assert torch.equal(folded(x), want)


@pytest.mark.parametrize("module", [Counting(), Random()])
def test_state_and_chance_are_left_alone(module: nn.Module) -> None:
    before = exported(module, torch.randn(4))
    wanted = calls(before)
    assert calls(fold_constants(before)) == wanted


def test_a_value_that_nothing_else_reads_becomes_the_output() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return x, torch.arange(3) + 1

    _, value = fold_constants(exported(Constant(), torch.randn(2)))(torch.randn(2))
    assert value.tolist() == [1, 2, 3]


def test_a_tensor_that_is_too_large_is_computed_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "LARGEST", 15)
    x = torch.randn(4, 4)
    folded = fold_constants(exported(Positions(), x))
    assert any(call.startswith("aten.le.") for call in calls(folded))
    assert torch.equal(folded(x), Positions()(x))


"""Modules of an input of 4 x 16, and the ops of which the input has a part."""


def test_a_state_that_is_written_through_a_view_is_left_alone() -> None:
    class State(nn.Module):
        state: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("state", torch.zeros(2, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            before = self.state.cos()
            self.state[1].view(2, 2).add_(x)
            return before + self.state.sin()

    model = torch.export.export(State(), (torch.randn(2, 2),)).module()
    wanted = calls(model)
    assert calls(fold_constants(model)) == wanted
