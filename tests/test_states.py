"""What a model keeps from run to run: it starts as the model has it, and what is written reaches the next run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import pipeline
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import evaluating
from qnnsolve.models.tracing import exported as exported_graph
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.verification.emulator import run_on_emulator


class Cache(torch.nn.Module):
    """Keeps what it is given, by position."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.full((1, 6, 8), 0.5))

    def forward(self, position: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        self.kept.index_copy_(1, position, value)  # type: ignore[operator]
        return torch.relu(self.kept)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_buffer_starts_as_the_model_has_it_and_keeps_what_is_written(tmp_path: Path) -> None:
    samples = [(torch.tensor([at]), torch.rand(1, 1, 8) * 2 - 1) for at in (1, 4, 1)]
    model = Cache()
    result = pipeline.export(model, samples[0], out=tmp_path / "model.pte", calibration=samples)
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    assert result.verification.agrees, result.verification.note
    assert float(model.state_dict()["kept"].min()) == float(model.state_dict()["kept"].max()) == 0.5, (
        "calibration and verification left their marks"
    )
    run = run_on_emulator(tmp_path / "model.pte", samples)
    for (got,), sample in zip(run.outputs, samples, strict=True):
        assert float((got - model(*sample)).abs().max()) < 0.01


class States(torch.nn.Module):
    """What a model keeps from run to run: a cache, a counter and a mean, both of which no input decides, statistics."""

    kept: torch.Tensor
    steps: torch.Tensor
    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(6)
        self.register_buffer("kept", torch.full((1, 6, 8), 0.5))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.ones(8))

    def forward(self, position: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.steps.add_(1)
        self.mean.mul_(0.9).add_(value.mean((0, 1)))
        return self.norm(self.kept.index_copy_(1, position, value)) + self.mean, self.steps + 1


@pytest.mark.parametrize("exported", [False, True])
def test_what_is_lowered_has_the_model_s_own_states(exported: bool) -> None:
    """Neither calibrating nor converting (which folds constants) leaves its marks in the buffers."""
    samples = [(torch.tensor([at]), torch.rand(1, 1, 8)) for at in range(3)]
    model: Any = States()
    before = {name: value.clone() for name, value in model.named_buffers()}
    if exported:
        model = torch.export.export(model.eval(), samples[0])
    quantizer = SolveQuantizer("htp", "SM8750", strict=False)
    with quiet(), evaluating(model):
        converted = pipeline.steps.converted_model(exported_graph(model, samples[0]), samples, quantizer, Stages(None))
    found = {name: value for name, value in converted.named_buffers() if name in before}
    assert {"kept", "steps", "mean"} <= set(found), "the norm's statistics are part of its weights by now"
    assert [name for name, value in found.items() if not torch.equal(value, before[name])] == []
    with torch.no_grad():
        converted(*samples[0])
    assert int(found["steps"]) == 1, "the converted model counts for itself"


class Running(torch.nn.Module):
    """A mean that decays, and the parts of it that are set."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.mul_(0.5).add_(x)
        self.mean[:, 2:4] = x[:, :2]
        self.mean[0].sub_(x[1])
        return torch.relu(self.mean)


@pytest.mark.slow
def test_writes_through_views_reach_the_next_run(tmp_path: Path) -> None:
    samples = [(torch.rand(4, 8),) for _ in range(4)]
    result = pipeline.export(
        Running(), samples[0], out=tmp_path / "model.pte", soc="SM8350", precision="16a8w", calibration=samples
    )
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    assert result.verification.emulator_vs_converted_max_rel < 0.001
    model, run = Running(), run_on_emulator(tmp_path / "model.pte", samples)
    for (got,), sample in zip(run.outputs, samples, strict=True):
        assert float((got - model(*sample)).abs().max()) < 0.005
