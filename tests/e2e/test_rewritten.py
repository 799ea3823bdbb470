"""What is rewritten before annotation compiles whole and computes the same; unrewritten it is refused, or wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from qnnsolve import export
from tests.nets import seeded


class WindowsAndVolumes(nn.Module):
    """Windows of an image, through six dimensions as Swin cuts them; an average over volumes that counts padding."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.average = nn.AvgPool3d(3, stride=2, padding=1)

    def forward(self, x: torch.Tensor, volume: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        windows = x.view(2, 2, 4, 2, 4, 8).transpose(2, 3).contiguous().view(-1, 16, 8)
        return self.linear(windows), self.average(volume)


@pytest.mark.slow
def test_six_dimensions_and_padded_volumes_are_one_delegate(tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs = (torch.randn(2, 8, 8, 8), torch.rand(1, 4, 6, 6, 6) + 1)
    result = export(seeded(WindowsAndVolumes), inputs, out=tmp_path / "m.pte", soc="SM8750", precision="16a8w")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    # 16.7 % where the padding is not counted; six dimensions do not compile.
    assert result.verification.emulator_vs_converted_max_rel <= 0.001


class Stacked(nn.Module):
    """A convolution's largest values, turned and put behind a batch of one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        picked = nn.functional.max_pool2d(self.conv(x), 2)
        return picked.permute(0, 2, 3, 1).unsqueeze(0).permute(0, 1, 4, 3, 2)


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_five_dimensions_move_8_bit_values_as_they_are(soc: str, tmp_path: Path) -> None:
    inputs = (torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(0)),)
    result = export(seeded(Stacked), inputs, out=tmp_path / "m.pte", soc=soc, precision="8a8w")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None and result.verification.sqnr_db > 40
    # A quarter of the values is a step off, 0.4 %, where the batch is put in front of four dimensions.
    assert result.verification.emulator_vs_converted_max_rel <= 0.008


class Averaged(nn.Module):
    """Averages over regions side by side, and causal attention over what they leave."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 16, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        averaged = nn.functional.avg_pool2d(self.conv(x), 4)
        tokens = nn.functional.adaptive_avg_pool2d(x.relu(), 4).flatten(2)
        return averaged, nn.functional.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True)


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_averages_over_even_regions_are_right(soc: str, tmp_path: Path) -> None:
    inputs = (torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)),)
    result = export(seeded(Averaged), inputs, out=tmp_path / "m.pte", soc=soc, precision="16a8w")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    averaged, attended = result.verification.outputs
    assert averaged.max_rel <= 0.001  # 0.18 where they are not taken in two
    assert attended.max_rel <= 0.01


class Repeated(nn.Module):
    """Columns repeated along their rows, and arithmetic with what has one element there."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wide = x.expand(3, 4)
        return wide + 1, 1 - y.expand(3, 4), wide * y, x.repeat(1, 4) * 2 - 1, y.expand(3, 4).unsqueeze(0) + 0.5


@pytest.mark.slow
def test_what_is_repeated_is_right_after_arithmetic(tmp_path: Path) -> None:
    inputs = (torch.tensor([[0.5], [-1.0], [2.0]]), torch.tensor([[1.5], [0.25], [-0.75]]))
    result = export(Repeated(), inputs, out=tmp_path / "m.pte", soc="SM8750", precision="8a8w")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    # -5 to 5 dB where the arithmetic is on what is repeated.
    assert min(output.sqnr_db for output in result.verification.outputs) > 35


class Spelled(nn.Module):
    """Ops that the accelerator does not have, and a sigmoid among tensors of other ranges."""

    def forward(self, x: torch.Tensor, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        gate = x.sigmoid()
        columns = nn.functional.unfold(image, 3, padding=1)
        return (
            torch.stack([gate, x * 3]),
            torch.scatter(x * 3, 1, torch.tensor([[1], [0], [2], [5]]), gate[:, :1]),
            nn.functional.fold(columns * 2, (6, 6), 3, padding=1),
            x.index_add(1, torch.tensor([2, 0, 2]), gate[:, :3]),
            torch.diag_embed(x * 2, 1),
            (x * 2).prod(1),
            torch.tensordot(x, image[0], ([0], [0])),
            nn.functional.pad(image, (1, 2, 0, 1), mode="replicate"),
            nn.functional.interpolate(image, scale_factor=1.5),
            x * (x > 0) + torch.arange(8),
        )


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_what_is_spelled_out_is_one_delegate(soc: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = (torch.randn(4, 8, generator=generator), torch.randn(1, 4, 6, 6, generator=generator)[:, :4])
    result = export(Spelled(), inputs, out=tmp_path / "m.pte", soc=soc, precision="16a8w")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    assert min(output.sqnr_db for output in result.verification.outputs) > 35
