"""Batch and instance norms are written so that the chip computes them right, on the accelerator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import export
from qnnsolve.quantizer import SolveQuantizer

BATCH_NORMS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "1d, no length": (nn.BatchNorm1d(6), (4, 6)),
    "1d": (nn.BatchNorm1d(6), (2, 6, 8)),
    "2d": (nn.BatchNorm2d(6), (1, 6, 8, 4)),
    "2d, plain": (nn.BatchNorm2d(6, affine=False), (1, 6, 8, 4)),
    "3d": (nn.BatchNorm3d(6), (1, 6, 3, 4, 4)),
    "one channel": (nn.BatchNorm2d(1), (1, 1, 8, 8)),
    "two channels": (nn.BatchNorm2d(2), (1, 2, 8, 8)),
    "tracked 1d": (nn.InstanceNorm1d(6, track_running_stats=True), (2, 6, 8)),
    "tracked 2d": (nn.InstanceNorm2d(6, track_running_stats=True, affine=True), (1, 6, 8, 8)),
    "tracked 3d, no batch": (nn.InstanceNorm3d(6, track_running_stats=True), (6, 4, 4, 4)),
}
INSTANCE_NORMS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "1d": (nn.InstanceNorm1d(6), (2, 6, 12)),
    "1d, no batch": (nn.InstanceNorm1d(6), (6, 12)),
    "2d": (nn.InstanceNorm2d(6), (1, 6, 8, 8)),
    "2d, affine": (nn.InstanceNorm2d(6, affine=True), (1, 6, 8, 8)),
    "3d": (nn.InstanceNorm3d(6), (1, 6, 4, 4, 4)),
    "3d, no batch": (nn.InstanceNorm3d(6), (6, 4, 4, 4)),
    "by the batch, 1d": (nn.BatchNorm1d(6, affine=False, track_running_stats=False), (16, 6)),
    "by the batch, 2d": (nn.BatchNorm2d(6, track_running_stats=False), (2, 6, 8, 4)),
    "by the batch of one, 3d": (nn.BatchNorm3d(6, track_running_stats=False), (1, 6, 4, 4, 4)),
}


def _of_its_own(norm: nn.Module) -> nn.Module:
    """Large means, small variances, and a largest bias above zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in (*norm.named_parameters(), *norm.named_buffers()):
            match name:
                case "running_mean":
                    value.normal_(5.0, 3.0)
                case "running_var":
                    value.uniform_(1e-4, 4.0)
                case "weight":
                    value.uniform_(0.5, 3.0)
                case "bias":
                    value.copy_(torch.linspace(-1.0, 3.0, value.numel()))
    return norm.eval()


def _converted(
    model: nn.Module, samples: list[tuple[torch.Tensor]], soc: str
) -> tuple[torch.fx.GraphModule, SolveQuantizer]:
    quantizer = SolveQuantizer("htp", soc, precision="16a8w")
    prepared = prepare_pt2e(torch.export.export(model, samples[0]).module(), quantizer)
    for sample in samples:
        prepared(*sample)
    return convert_pt2e(prepared), quantizer


@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
@pytest.mark.parametrize("name", [*BATCH_NORMS, *(f"instance {name}" for name in INSTANCE_NORMS)])
def test_a_norm_runs_on_the_accelerator_and_is_right(name: str, soc: str) -> None:
    norm, shape = INSTANCE_NORMS[name.removeprefix("instance ")] if name.startswith("instance") else BATCH_NORMS[name]
    model = _of_its_own(norm)
    samples = [(torch.randn(shape) * 3 + 5,) for _ in range(2)]
    converted, quantizer = _converted(model, samples, soc)
    assert not quantizer.cpu_nodes
    assert not any("batch_norm" in str(node.target) for node in converted.graph.nodes)
    with torch.no_grad():
        exact, got = model(*samples[0]), converted(*samples[0])
    assert got.shape == exact.shape
    allowed = 1.5e-3 if soc == "SM8350" else 3e-4  # 11 significant bits of a weight's scale
    assert float((got - exact).abs().max()) < allowed * float(exact.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize(("soc", "precision"), [("SM8350", "16a8w"), ("SM8750", "8a8w")])
def test_the_emulator_computes_a_batch_norm_whose_largest_bias_is_positive(
    soc: str, precision: str, tmp_path: Path
) -> None:
    model = _of_its_own(nn.BatchNorm2d(6))
    sample = (torch.randn(1, 6, 8, 4) * 3 + 5,)
    result = export(model, sample, out=tmp_path / "model.pte", soc=soc, precision=precision)
    assert result.delegates == 1 and not result.cpu_ops and result.verification is not None
    assert result.verification.emulator_vs_converted_max_rel < 0.005
