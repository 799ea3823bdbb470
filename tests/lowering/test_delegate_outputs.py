"""What a delegate yields comes out in its own place, whatever order QNN has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from qnnsolve import export
from qnnsolve.lowering.delegate_outputs import places


@pytest.mark.parametrize(
    ("returned", "defined", "found"),
    [
        (["a", "b"], ["a", "b"], [0, 1]),
        (["v", "a", "b"], ["a", "b", "v"], [2, 0, 1]),
        (["a", "b"], ["a", "c"], []),
        (["a", "b"], ["a"], []),
    ],
)
def test_each_output_is_found_where_it_is_defined(returned: list[str], defined: list[str], found: list[int]) -> None:
    assert places(returned, defined) == found


class Several(nn.Module):
    """Values of a topk, which are dequantized once both parts of the split are defined; divisions are on the CPU."""

    def forward(self, x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values, places = x.topk(3)
        first, second = torch.chunk(i, 2, -1)
        return values, places // 2, first, second * 3, i.abs()


@pytest.mark.slow
def test_parts_of_a_tuple_do_not_take_each_others_place(tmp_path: Path) -> None:
    """Nor are indices, which the accelerator has in 32 bits, read as 64 bits."""
    inputs = (torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0, -2.0]]), torch.tensor([[7, 2, 9, 4]]))
    result = export(Several(), inputs, out=tmp_path / "model.pte", soc="SM8750", precision="8a8w", strict=False)
    assert result.verification is not None
    assert {check.verdict.value for check in result.verification.outputs} <= {"agrees", "rounding"}
