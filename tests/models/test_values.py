"""A solve needs no weights; an export does, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import qnnsolve
from qnnsolve.errors import UnsupportedGraphError, UsageError
from qnnsolve.results import SolveResult


class Attention(nn.Module):
    """A batch norm to fold, and a mask of zeros and a finite number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.register_buffer("mask", torch.ones(8, 8).triu(1) * -100)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.norm(self.linear(x)) @ x.t() + self.mask, -1)


def solved(model: Any, inputs: tuple[torch.Tensor, ...]) -> SolveResult:
    found = qnnsolve.solve(model, inputs, soc="SM8750", precision="16a8w", strict=False)
    return attrs.evolve(found, timings=())


def on_meta() -> tuple[Any, torch.Tensor]:
    with torch.device("meta"):
        return Attention().eval(), torch.empty(8, 8)


def on_meta_with_real_inputs() -> tuple[Any, torch.Tensor]:
    return on_meta()[0], torch.randn(8, 8)


def exported_on_meta() -> tuple[Any, torch.Tensor]:
    model, x = on_meta()
    return torch.export.export(model, (x,)), x


def fake() -> tuple[Any, torch.Tensor]:
    with FakeTensorMode() as mode:
        model, x = Attention().eval(), torch.empty(8, 8)
    with mode:
        return torch.export.export(model, (x,)), x


WITHOUT = (on_meta, on_meta_with_real_inputs, exported_on_meta, fake)


@pytest.mark.parametrize("make", WITHOUT)
def test_a_solve_without_weights_is_that_with_weights(make: Callable[[], tuple[Any, torch.Tensor]]) -> None:
    model, x = make()
    assert solved(model, (x,)) == solved(Attention().eval(), (torch.randn(8, 8),))


@pytest.mark.parametrize(("make", "what"), [(on_meta_with_real_inputs, "meta device"), (fake, "fake")])
def test_an_export_without_weights_is_refused(
    make: Callable[[], tuple[Any, torch.Tensor]], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qnnsolve.pipeline.ensure_compiler", lambda backend: None)
    model, _ = make()
    with pytest.raises(UnsupportedGraphError, match=rf"{what}.*no values"):
        qnnsolve.export(model, (torch.randn(8, 8),), soc="SM8750", out=tmp_path / "m.pte", strict=False)
    with pytest.raises(UsageError, match="meta device: it has no values"):
        qnnsolve.export(model, (torch.empty(8, 8, device="meta"),), soc="SM8750", out=tmp_path / "m.pte")
    assert list(tmp_path.iterdir()) == []


def test_nan_in_weights_that_have_values_is_still_refused() -> None:
    model = Attention().eval()
    with torch.no_grad():
        model.linear.bias[0] = float("nan")
    with pytest.raises(UnsupportedGraphError, match="NaN"):
        solved(model, (torch.randn(8, 8),))
