"""Attention masks of finite, huge numbers are counted as far as a softmax sees them, wherever they come from."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import export
from qnnsolve.quantizer import SolveQuantizer

TOKENS, WIDTH = 8, 16
X = torch.randn(1, TOKENS, WIDTH, generator=torch.Generator().manual_seed(0))
LEAST = torch.finfo(torch.float32).min
MASKS = (-1e4, -65504.0, -1e9, LEAST)


class Masked(nn.Module):
    """Attention whose mask is an input, comes to the scores as ``way`` says, or (``constant``) is the model's own."""

    def __init__(self, way: str = "as is", constant: torch.Tensor | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.way = way
        self.constant: torch.Tensor | None
        self.register_buffer("constant", constant)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        mask = self.constant if mask is None else mask
        assert mask is not None
        match self.way:
            case "sliced":
                mask = mask[:, :TOKENS, :TOKENS]
            case "reshaped":
                mask = mask.reshape(1, TOKENS, TOKENS)
            case "subtracted":
                mask = -mask
        scores = scores - mask if self.way == "subtracted" else scores + mask
        mixed: torch.Tensor = torch.softmax(scores, -1) @ self.value(x)
        return mixed


def causal(value: float, size: int = TOKENS) -> torch.Tensor:
    return torch.full((1, size, size), value).triu(1)


def noise(model: nn.Module, precision: str, *inputs: torch.Tensor) -> float:
    """Largest error of the converted model, as a fraction of the output's range."""
    model.eval()
    graph = torch.export.export(model, inputs).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision=precision))
    with torch.no_grad():
        prepared(*inputs)
        exact = model(*inputs)
        found = convert_pt2e(prepared)(*inputs)
    return float((found - exact).abs().max() / (exact.max() - exact.min()))


def scales(model: nn.Module, *inputs: torch.Tensor, precision: str = "16a8w", copied: bool = False) -> dict[str, float]:
    """Of what each op reads, by the op's name and the position of its input."""
    graph = torch.export.export(model.eval(), inputs).module()
    prepared = prepare_pt2e(graph, SolveQuantizer("htp", "SM8750", precision=precision))
    prepared = copy.deepcopy(prepared) if copied else prepared
    prepared(*inputs)
    return {
        f"{node.name}[{port}]": float(source.args[1])
        for node in convert_pt2e(prepared).graph.nodes
        for port, source in enumerate(node.all_input_nodes)
        if "dequantize_per_tensor" in str(source.target)
    }


@pytest.mark.parametrize(("precision", "within"), [("16a8w", 0.02), ("8a8w", 0.05)])
@pytest.mark.parametrize("value", MASKS)
def test_a_huge_mask_costs_nothing(value: float, precision: str, within: float) -> None:
    assert noise(Masked(), precision, X, causal(value)) < within
    assert noise(Masked(constant=causal(value)), precision, X) < within


@pytest.mark.parametrize("way", ["as is", "sliced", "reshaped", "subtracted"])
def test_a_mask_that_only_a_softmax_sees_is_in_steps_of_its_stand_in(way: str) -> None:
    mask = {"sliced": causal(-1e9, TOKENS + 2), "reshaped": causal(-1e9).reshape(1, 1, TOKENS, TOKENS)}
    found = scales(Masked(way), X, mask.get(way, causal(-1e9)))
    op = "sub" if way == "subtracted" else "add"
    assert max(scale for name, scale in found.items() if name.startswith(op)) < 256 / 65535


def test_what_else_is_read_keeps_its_range() -> None:
    class Both(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.softmax(x + mask, -1), mask * 2.0

    class Sum(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return x + mask

    class Low(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.softmax(x + mask, -1)

    square = X[:, :, :TOKENS]
    assert scales(Both(), square, causal(-1e6))["mul[0]"] == pytest.approx(1e6 / 65535, rel=1e-3)
    assert scales(Sum(), square, causal(-1e6))["add[1]"] == pytest.approx(1e6 / 65535, rel=1e-3)
    assert scales(Low(), square, causal(-900.0))["add[1]"] == pytest.approx(900 / 65535, rel=1e-3)


class Smallest(nn.Module):
    """Masks from above, and takes a softmax of the negative."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.eye(*x.shape[-2:]).bool()
        return torch.softmax(-x.masked_fill(mask, 1e9), -1)


def test_a_constant_that_masks_from_above_is_quantized_as_what_it_is_written_into() -> None:
    found = scales(Smallest(), X)
    assert found["masked_fill[2]"] == found["neg[0]"] < 100 / 65535


@pytest.mark.slow
def test_the_emulator_of_v68_masks_from_above(tmp_path: Path) -> None:
    class Both(Smallest):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
            return super().forward(x), x.masked_fill(torch.eye(*x.shape[-2:]).bool(), 1e9).amin(-1)

    result = export(Both(), (X,), out=tmp_path / "m.pte", soc="SM8350", precision="16a8w")
    assert result.verification is not None and result.verification.sqnr_db > 60


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["16a8w", "8a8w"])
def test_the_emulator_computes_a_mask_of_a_billion(precision: str, tmp_path: Path) -> None:
    result = export(Masked(), (X, causal(-1e9)), out=tmp_path / "m.pte", soc="SM8750", precision=precision)
    assert result.delegates == 1 and not result.cpu_ops and result.verification is not None
    assert result.verification.emulator_vs_converted_max_rel < (0.005 if precision == "16a8w" else 0.03)
    assert result.verification.sqnr_db > (35 if precision == "16a8w" else 25)


POSITIONS = -0.5 * (torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)[None, :]).abs().float()
BIASED = POSITIONS + causal(-torch.inf)
"""A mask that says something of what it does not hide."""


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13's own, while it copies a graph
@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("way", ["as is", "sliced", "reshaped", "subtracted"])
def test_8_bits_reach_no_further_below_the_scores_than_a_softmax_looks(way: str, copied: bool) -> None:
    size = TOKENS + 2 if way == "sliced" else TOKENS
    mask = torch.nn.functional.pad(BIASED, (0, size - TOKENS, 0, size - TOKENS))
    found = scales(Masked(way), X, mask, precision="8a8w", copied=copied)
    with torch.no_grad():
        scores = Masked().query(X) @ Masked().key(X).transpose(1, 2)
    width = float(scores.max().clamp(min=0) - scores.min().clamp(max=0))
    reach = 12 + width - float(POSITIONS.min())
    named = {key: value for key, value in found.items() if key.startswith(("add", "slice", "reshape", "neg", "sub"))}
    op = "sub" if way == "subtracted" else "add"
    assert named[f"{op}[1]"] == pytest.approx(reach / 255, rel=0.05)
    assert all(value == pytest.approx(reach / 255, rel=0.05) for key, value in named.items() if key != f"{op}[0]")


def test_the_widest_scores_count_that_a_mask_is_added_to() -> None:
    class Twice(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            scores = x @ x.transpose(1, 2)
            return torch.softmax(scores / 8 + mask, -1) + torch.softmax(scores + mask, -1)

    found = scales(Twice(), X, BIASED, precision="8a8w")
    width = float((X @ X.transpose(1, 2)).max().clamp(min=0) - (X @ X.transpose(1, 2)).min().clamp(max=0))
    assert found["add[1]"] == found["add_1[1]"] == pytest.approx((12 + width + 3.5) / 255, rel=0.05)


def test_low_scores_are_no_mask() -> None:
    class Low(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.softmax(x * 40 - 100 + mask, -1)

    scores = torch.linspace(-3, 0, TOKENS * TOKENS).reshape(1, TOKENS, TOKENS)
    found = scales(Low(), scores, causal(-torch.inf), precision="8a8w")
    assert found["add[0]"] == pytest.approx(220 / 255, rel=0.02)


@pytest.mark.parametrize("constant", [False, True])
def test_a_bias_by_position_survives_8_bits(constant: bool) -> None:
    model, inputs = (Masked(constant=BIASED), (X,)) if constant else (Masked(), (X, BIASED))
    assert noise(model, "8a8w", *inputs) < 0.02  # 0.08 in steps of 1.0
