"""Products that broadcast both factors have one of them spread out, and stay right on the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer, export


class Outer(nn.Module):
    def forward(self, z: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        three = torch.einsum("bi,bj,bk->bijk", x, y, x + y)
        return -z, x[:, :, None] * y[:, None, :], three, x[:, None, :] * y[:, None, :], x[:, :, None] + y[:, None, :]


def draws() -> list[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 3), (2, 4), (2, 4))
    return [tuple(torch.randn(shape, generator=generator) for shape in shapes) for _ in range(3)]


def test_only_products_of_two_broadcasts_are_spread() -> None:
    samples = draws()
    prepared = prepare_pt2e(
        torch.export.export(Outer(), samples[0]).module(), SolveQuantizer("htp", "SM8350", precision="16a8w")
    )
    spread = [node for node in prepared.graph.nodes if node.target is torch.ops.aten.expand.default]
    assert {tuple(node.meta["val"].shape) for node in spread} >= {(2, 4, 4), (2, 4, 4, 1)} and len(spread) <= 3
    with torch.no_grad():
        for sample in samples:
            prepared(*sample)
        converted = convert_pt2e(prepared)
        for want, got in zip(Outer()(*samples[0]), converted(*samples[0]), strict=True):
            assert torch.allclose(want, got, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("soc", "precision"), [("SM8350", "16a8w"), ("SM8750", "8a8w")])
def test_the_emulator_computes_outer_products(soc: str, precision: str, tmp_path: Path) -> None:
    samples = draws()
    result = export(
        Outer(), samples[0], out=tmp_path / "m.pte", soc=soc, precision=precision, calibration=samples, verify_samples=1
    )
    assert result.verification is not None and not result.cpu_ops
    reached = [check.emulator.worst for check in result.verification.outputs if check.emulator is not None]
    assert len(reached) == 5 and min(reached) > (60 if precision == "16a8w" else 25)
