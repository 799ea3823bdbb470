"""Weights in blocks (LPBQ): right on the emulator where rules allow them, and another config where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qnnsolve import export, solve

CASES = {
    "pointwise convolution": (torch.nn.Conv2d(64, 32, 1), (1, 64, 8, 8), "s4/block1x32x1x1@0"),
}


def _weight(inputs: tuple[tuple[str, str], ...]) -> str:
    return inputs[1][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_blocks_come_out_right_on_the_emulator(name: str, tmp_path: Path) -> None:
    layer, shape, encoding = CASES[name]
    generator = torch.Generator().manual_seed(0)
    samples = [(torch.randn(shape, generator=generator),) for _ in range(2)]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 8)
    result = export(
        layer,
        samples[0],
        out=tmp_path / "m.pte",
        soc="SM8750",
        precision="16a4w_block",
        calibration=samples,
        tolerance=0.02,
    )
    assert _weight(result.solve.nodes[0].inputs) == encoding
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None and result.verification.agrees
    assert result.verification.sqnr_db > 15, "four bits are left of the weights"


@pytest.mark.parametrize("name", CASES)
def test_v68_gets_another_config(name: str) -> None:
    layer, shape, _ = CASES[name]
    result = solve(layer, (torch.zeros(shape),), soc="SM8350", precision="16a4w_block")
    assert _weight(result.nodes[0].inputs) == "s4/ch0"
    (deviation,) = result.deviations
    assert ["LPBQ on V68" in source.citation for source in deviation.sources] == [True]


def test_a_convolution_over_a_kernel_gets_another_config() -> None:
    layer = torch.nn.Conv2d(64, 32, 3)
    result = solve(layer, (torch.zeros(1, 64, 8, 8),), soc="SM8750", precision="16a4w_block")
    assert _weight(result.nodes[0].inputs) == "s4/ch0"
    assert [each.rule for each in result.deviations] == ["QC001"], "the table itself has the row among the wrong ones"


def test_a_linear_gets_another_config() -> None:
    result = solve(torch.nn.Linear(64, 48), (torch.zeros(4, 64),), soc="SM8750", precision="16a4w_block")
    assert _weight(result.nodes[0].inputs) == "s4/ch0"
    assert [each.rule for each in result.deviations] == ["QH004"]
